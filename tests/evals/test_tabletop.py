"""Scenes: the same for the same number, and true to what they promise."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.evals.layout import lean, stage
from foveal.evals.splits import LEVELS, is_drawing
from foveal.evals.tabletop import (
    COLOURS,
    PIXELS,
    SHAPES,
    SHARE,
    TINY,
    Scene,
    bench,
    described,
    main,
    scene,
)
from foveal.evals.vocabulary import FIGURES, HELD_OUT, MATERIALS, SYMBOLS, TEXTURES, TRINKETS


@pytest.mark.parametrize("seed", [3, 7])
def test_same_number_same_scene(seed: int) -> None:
    one, two = scene(seed, size=(192, 192)), scene(seed, size=(192, 192))
    assert one.things == two.things
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.instances, two.instances)
    assert np.array_equal(one.depth, two.depth)


def test_other_numbers_and_other_splits_are_other_scenes() -> None:
    drawn = [scene(0, "train", (192, 192)), scene(1, "train", (192, 192))]
    drawn += [scene(0, "val", (192, 192)), scene(0, "test", (192, 192))]
    drawn += [scene(0, "hard", (384, 384))]
    for a, b in combinations(drawn, 2):
        assert not np.array_equal(a.image, b.image)


@pytest.mark.parametrize(
    ("seed", "split", "size", "says"),
    [
        (-1, "train", (256, 256), "-1"),
        (0, "dev", (256, 256), "'dev'"),
        (0, "val", (256, 80), "80"),
        (7, "val", (256, 60), "60"),
        (0, "val", (2049, 256), "2049"),
    ],
)
def test_refuses_what_it_cannot_draw(
    seed: int, split: str, size: tuple[int, int], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        scene(seed, split, size)  # type: ignore[arg-type]


def test_arrays_have_the_promised_shapes_and_types(scenes: list[Scene]) -> None:
    assert scenes[-1].image.shape == (320, 256, 3)  # size is (width, height), arrays are rows first
    for world in scenes:
        height, width = world.instances.shape
        assert world.image.shape == (height, width, 3)
        assert world.depth.shape == (height, width)
        assert [a.dtype.name for a in (world.image, world.instances, world.depth)] == [
            "uint8",
            "int16",
            "float32",
        ]
        assert 0.2 < world.depth.min() <= world.depth.max() <= 8


def test_every_thing_is_where_the_instances_say(scenes: list[Scene], hard: list[Scene]) -> None:
    for world in [*scenes, *hard]:
        assert set(np.unique(world.instances)) - {0} == {thing.id for thing in world.things}
        for thing in world.things:
            row, column = np.nonzero(world.instances == thing.id)
            assert thing.visible == len(row)
            assert thing.box == (column.min(), row.min(), column.max() + 1, row.max() + 1)
            assert thing.depth == pytest.approx(np.median(world.depth[row, column]))
            # The centre lies behind the visible surface, but not by more than the thing is thick.
            assert -0.02 < thing.distance - thing.depth < 0.15


def test_every_thing_can_be_seen(tables: list[Scene]) -> None:
    for world in tables:
        assert 1 <= len(world.things) <= 10
        assert [thing.id for thing in world.things] == list(range(1, len(world.things) + 1))
        for thing in world.things:
            promised = TINY if thing.shape in TRINKETS else max(PIXELS, SHARE * thing.full)
            assert thing.full >= thing.visible >= promised
            assert thing.shape in SHAPES
            assert thing.colour in COLOURS


def test_things_have_the_attributes_of_their_kind(tables: list[Scene], hard: list[Scene]) -> None:
    for thing in [thing for world in [*tables, *hard] for thing in world.things]:
        assert thing.material in MATERIALS
        assert thing.texture in TEXTURES
        assert (thing.symbol in SYMBOLS) == (thing.shape == "card")
        assert (thing.hour in range(1, 13)) == (thing.shape == "dial")
        assert (thing.size > 0) == (thing.shape not in FIGURES)
        assert thing.size < (0.2 if thing.text is None else 0.6)


def test_true_size_is_what_is_seen_times_the_distance(tables: list[Scene]) -> None:
    """Of a ball: nothing else looks equally long from everywhere."""
    seen = []
    for world in tables:
        for thing in world.things:
            x0, y0, x1, y1 = thing.box
            if thing.shape == "sphere" and thing.visible == thing.full:
                seen.append((y1 - y0) / (x1 - x0))
                width = (x1 - x0) * thing.distance / thing.size
                assert (
                    0.7 < width / min(world.depth.shape) < 1.9
                )  # focal lengths by the shorter side
    assert len(seen) > 8


def test_signs_and_only_signs_say_something(tables: list[Scene]) -> None:
    for world in tables:
        texts = [thing.text for thing in world.things if thing.shape == "sign"]
        assert len(texts) <= 4
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert text
            assert (text.isdigit() and len(text) <= 3) or (text.isupper() and 3 <= len(text) <= 6)
        assert all(thing.text is None for thing in world.things if thing.shape != "sign")


def test_painted_things_look_like_their_colour(scenes: list[Scene]) -> None:
    """The strongest and weakest channel of each chromatic colour, over all pixels of the plain things."""
    order = {"red": (0, None), "orange": (0, 2), "yellow": (None, 2), "green": (1, None)}
    order |= {"blue": (2, 0), "purple": (2, 1)}
    looked = 0
    for world in scenes:
        for thing in world.things:
            boards = ("sign", "card", "dial", *TRINKETS)
            if thing.shape in boards or thing.colour not in order or thing.texture != "plain":
                continue
            looked += 1
            mean = world.image[world.instances == thing.id].mean(axis=0)
            strongest, weakest = order[thing.colour]
            assert strongest is None or mean.argmax() == strongest, thing
            assert weakest is None or mean.argmin() == weakest, thing
            assert mean.max() > 1.3 * mean.min(), thing
    assert looked > 25


def test_tables_and_walls_have_no_colour_name(tables: list[Scene]) -> None:
    for world in tables:
        around = world.image[world.instances == 0].mean(axis=0)
        assert 25 < around.mean() < 220
        assert around.max() < 1.8 * around.min()


def test_lower_in_the_picture_is_not_always_nearer(tables: list[Scene]) -> None:
    pairs = [pair for world in tables for pair in combinations(world.things, 2)]
    lower_is_nearer = [(a.box[3] > b.box[3]) == (a.depth < b.depth) for a, b in pairs]
    assert 0.6 < np.mean(lower_is_nearer) < 0.99


def test_things_do_not_stand_in_each_other() -> None:
    rng = np.random.default_rng(11)
    drawn = (stage((256, 256), rng, LEVELS["train"], PIXELS) for _ in range(12))
    for made, _ in (laid for laid in drawn if laid):
        ground = [(body.owner, body.corners()) for body in made.bodies]
        for (one, a), (two, b) in combinations(ground, 2):
            if one and two and one != two:
                gap = np.hypot(*(a.mean(axis=0) - b.mean(axis=0))[:2])
                reach = min(np.ptp(a[:, :2], axis=0).max(), np.ptp(b[:, :2], axis=0).max()) / 2
                assert gap > reach


def test_dials_stand_upright_in_the_picture() -> None:
    """Or else a hand would seem to point at another hour."""
    rng = np.random.default_rng(5)
    leans = []
    for made, plans in (
        laid for laid in (stage((256, 256), rng, LEVELS["val"], PIXELS) for _ in range(40)) if laid
    ):
        boards = {body.owner: body for body in made.bodies}
        leans += [lean(boards[n], made.camera) for n, plan in enumerate(plans, 1) if plan.hour]
    assert len(leans) > 8
    assert np.abs(leans).max() < np.radians(10)
    assert np.abs(leans).max() > np.radians(1)


def test_pairs_held_out_are_seen_in_hard_scenes_only(
    scenes: list[Scene], hard: list[Scene]
) -> None:
    for world in scenes:
        assert not {(thing.colour, thing.shape) for thing in world.things} & HELD_OUT
    for world in hard:
        assert 11 <= len(world.things) <= 15
        if not world.flat:
            assert {(thing.colour, thing.shape) for thing in world.things} & HELD_OUT


def test_every_eighth_scene_is_flat(scenes: list[Scene]) -> None:
    assert [world.flat for world in scenes[:36]] == [is_drawing(number) for number in range(36)]


def test_the_command_writes_the_scene_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.png"
    main(["--seed", "4", "--split", "val", "--size", "288", "288", "--out", str(out)])
    world = scene(4, "val", (288, 288))
    with Image.open(out) as image:
        assert np.array_equal(np.asarray(image), world.image)
    assert capsys.readouterr().out.splitlines() == [described(thing) for thing in world.things]


def test_the_bench_names_every_side(capsys: pytest.CaptureFixture[str]) -> None:
    bench((192, 224), seconds=0.05)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["192 x 192", "224 x 224"]
    assert all(float(line.split()[3]) > 0 for line in lines)
