"""Look and Reencode: which pixels are shown, through which tower, and what is encoded together and only once."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Area, Depth, Look, Object, Reencode, Region
from foveal.agent.errors import InputError, SpecialistError
from foveal.agent.observations import Box, Looked, Reencoded, View
from foveal.agent.vision import Encoded
from foveal.tools import dispatch
from foveal.tools import encoder as module
from foveal.tools.base import Mark, Reply, Request
from foveal.tools.dispatch import answers
from foveal.tools.encoder import Encoder, crop_of, seen
from foveal.tools.towers import LateTower

PHOTO = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)
OBJECT, REGION = Look(target=Object(index=3)), Look(target=Region(x0=1, y0=1, x1=2, y1=2))
AREA = Look(target=Area(x0=0.1, y0=0.1, x1=0.2, y1=0.2))


def mark(*xyxy: float) -> Mark:
    return Mark(Box(image="a", xyxy=(xyxy[0], xyxy[1], xyxy[2], xyxy[3])), 3, "red cube")


CROPS = [
    (OBJECT, (100, 100, 200, 140), (75, 90, 225, 150)),  # a quarter of its size on every side
    (OBJECT, (0, 0, 40, 40), (0, 0, 50, 50)),  # cut at the border
    (OBJECT, (300, 200, 304, 204), (288, 188, 316, 216)),  # at least 28 pixels
    (OBJECT, (598, 398, 600, 400), (572, 372, 600, 400)),  # and inside the image
    (REGION, (75, 50, 300, 200), (75, 50, 300, 200)),  # its margin is in the box already
    (AREA, (75, 50, 300, 200), (75, 50, 300, 200)),  # as the model drew it
    (AREA, (75, 50, 76, 200), (62, 50, 90, 200)),  # but never a sliver
]


@pytest.mark.parametrize(("action", "box", "crop"), CROPS)
def test_crops(action: Look, box: tuple[float, ...], crop: tuple[int, ...]) -> None:
    assert crop_of(mark(*box), action, 600, 400) == crop


@pytest.fixture(scope="module")
def folder(tiny_weights: Path) -> Path:
    return tiny_weights


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    return Encoder.from_folder(folder)


def test_a_look_shows_the_crop(encoder: Encoder, folder: Path) -> None:
    from foveal.agent.vision import VisionEncoder

    [reply] = encoder.run([Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),))])
    seen, [features] = reply.observation, reply.features
    assert isinstance(seen, Looked)
    assert (seen.index, seen.label) == (3, "red cube")
    [view] = seen.views
    assert view.role == "crop"
    assert view.pixels == view.source == Box(image="a", xyxy=(75, 90, 225, 150))
    expected = VisionEncoder.from_folder(folder).encode(PHOTO[90:150, 75:225])
    assert np.array_equal(features.values, expected.values)
    assert features.grid == expected.grid
    frames, rows, columns = features.grid
    assert len(features.values) == frames * rows * columns // 4


def test_the_whole_image_again(encoder: Encoder) -> None:
    [reply] = encoder.run([Request(Reencode(encoder="clip"), "a", PHOTO)])
    assert isinstance(reply.observation, Reencoded)
    assert reply.observation.views[0].source.xyxy == (0, 0, 600, 400)


@pytest.fixture
def quartering(folder: Path, tmp_path: Path) -> Encoder:
    """The same weights, whose folder says that an image is seen once more in quarters."""
    shutil.copytree(folder, tmp_path / "weights")
    told = tmp_path / "weights" / "preprocessor_config.json"
    values = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    told.write_text(json.dumps(values | {"again": "quarters"}), encoding="utf-8")
    (tmp_path / "weights" / "SHA256SUMS").unlink(missing_ok=True)
    return Encoder.from_folder(tmp_path / "weights")


def test_the_image_again_in_quarters(quartering: Encoder, folder: Path) -> None:
    from foveal.agent.vision import VisionEncoder

    [reply] = quartering.run([Request(Reencode(encoder="clip"), "a", PHOTO)])
    assert isinstance(reply.observation, Reencoded)
    corners = [view.source.xyxy for view in reply.observation.views]
    assert corners == [
        (0, 0, 338, 225),
        (262, 0, 600, 225),
        (0, 175, 338, 400),
        (262, 175, 600, 400),
    ]
    tower = VisionEncoder.from_folder(folder)
    for (x0, y0, x1, y1), features in zip(corners, reply.features, strict=True):
        cut = PHOTO[int(y0) : int(y1), int(x0) : int(x1)]
        assert np.allclose(features.values, tower.encode(cut).values, atol=1e-4)
    assert quartering.encoded == 4


def test_a_look_at_everything_is_one_view(quartering: Encoder) -> None:
    """What specialists drew, a mask for instance, is shown whole."""
    everything = mark(0, 0, 600, 400)
    [reply] = quartering.run([Request(dispatch.EVERYTHING, "a", PHOTO, (everything,))])
    assert [view.source.xyxy for view in _views(reply)] == [(0, 0, 600, 400)]


def test_other_encoders_see_all_of_it() -> None:
    for kind in ("detection", "seg"):
        one = seen(Request(Reencode(encoder=kind), "a", PHOTO), (kind,), quartered=True)
        assert [view.role for view in one.views] == ["whole"]


def _views(reply: Reply) -> Sequence[View]:
    assert isinstance(reply.observation, Looked)
    return reply.observation.views


def test_the_same_crop_is_encoded_once(encoder: Encoder) -> None:
    look = Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),))
    first, second = encoder.run([look, look])
    assert encoder.encoded == 1
    assert first.features == second.features
    encoder.run([Request(REGION, "a", PHOTO, (mark(100, 100, 200, 140),))])
    assert encoder.encoded == 2


@pytest.mark.parametrize("name", ["detection", "seg"])
def test_an_encoder_that_is_not_there_is_named(encoder: Encoder, name: str) -> None:
    with pytest.raises(SpecialistError, match=f"has no {name!r} re-encoder"):
        encoder.run([Request(Reencode(encoder=name), "a", PHOTO)])  # type: ignore[arg-type]


def test_what_it_cannot_do(encoder: Encoder) -> None:
    with pytest.raises(TypeError, match="one resolved target"):
        encoder.run([Request(OBJECT, "a", PHOTO)])
    with pytest.raises(TypeError, match="cannot depth"):
        encoder.run([Request(Depth(), "a", PHOTO)])


def test_it_warms_up(encoder: Encoder) -> None:
    encoder.warm_up()
    assert encoder.encoded == 0, "warming up is not a request"


def test_a_tiny_crop_is_encoded(encoder: Encoder) -> None:
    dot: NDArray[np.uint8] = PHOTO[:3, :5]
    [reply] = encoder.run([Request(Reencode(encoder="clip"), "dot", dot)])
    assert reply.features[0].values.shape[0] >= 1


class Counter:
    """A tower that remembers the sizes of what it was given at once, and tells pictures apart by their mean."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[int, int]]] = []

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        if any(min(pixels.shape[:2]) < 2 for pixels in pictures):
            raise InputError("too narrow")
        self.calls.append([(pixels.shape[1], pixels.shape[0]) for pixels in pictures])
        return [Encoded(np.array([[one.mean()]], np.float32), (1, 2, 2)) for one in pictures]


CLIP, DINO, SAM = (Reencode(encoder=kind) for kind in ("clip", "detection", "seg"))


@pytest.fixture
def towers() -> dict[Any, Counter]:
    return {kind: Counter() for kind in ("clip", "detection", "seg")}


def value(reply: Reply) -> float:
    [features] = reply.features
    return float(features.values[0, 0])


def test_a_batch_is_one_call_per_tower(towers: dict[Any, Counter]) -> None:
    small: NDArray[np.uint8] = PHOTO[:100, :50]
    batch = [
        Request(CLIP, "a", PHOTO),
        Request(DINO, "a", PHOTO),
        Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),)),
        Request(DINO, "small", small),
        Request(CLIP, "small", small),
    ]
    replies = Encoder(towers).run(batch)
    assert towers["clip"].calls == [[(600, 400), (150, 60), (50, 100)]]
    assert towers["detection"].calls == [[(600, 400), (50, 100)]]
    assert towers["seg"].calls == []
    kinds = [r.observation.encoder for r in replies if isinstance(r.observation, Reencoded)]
    assert kinds == ["clip", "detection", "detection", "clip"]
    means = [PHOTO.mean(), PHOTO.mean(), PHOTO[90:150, 75:225].mean(), small.mean(), small.mean()]
    assert [value(reply) for reply in replies] == pytest.approx(means)


def test_the_same_picture_is_encoded_once_in_a_batch(towers: dict[Any, Counter]) -> None:
    everything = Request(REGION, "a", PHOTO, (mark(0, 0, 600, 400),))
    batch = [
        Request(CLIP, "a", PHOTO),
        everything,
        Request(CLIP, "a", PHOTO),
        Request(SAM, "a", PHOTO),
    ]
    one = Encoder(towers)
    replies = one.run(batch)
    assert len(replies) == 4
    assert towers["clip"].calls == towers["seg"].calls == [[(600, 400)]]
    assert one.encoded == 2
    one.run(batch)
    assert one.encoded == 2, "and is remembered, for each encoder apart"


def test_another_image_of_the_same_size_is_another_picture(towers: dict[Any, Counter]) -> None:
    black = np.zeros_like(PHOTO)
    replies = Encoder(towers).run([Request(DINO, "a", PHOTO), Request(DINO, "b", black)])
    assert [value(reply) for reply in replies] == pytest.approx([PHOTO.mean(), 0])


def test_a_small_memory_forgets_but_answers(
    towers: dict[Any, Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHE", 4)  # bytes: one picture
    one = Encoder(towers)
    batch = [Request(CLIP, name, PHOTO[:size]) for name, size in (("a", 40), ("b", 60), ("c", 80))]
    expected = [PHOTO[:size].mean() for size in (40, 60, 80)]
    for _ in range(2):
        assert [value(reply) for reply in one.run(batch)] == pytest.approx(expected)
    assert one.encoded == 3 + 2, "only the last one stayed"


def test_a_part_that_cannot_be_encoded_is_for_the_model(towers: dict[Any, Counter]) -> None:
    batch = [Request(CLIP, "a", PHOTO), Request(CLIP, "hair", PHOTO[:1]), Request(DINO, "a", PHOTO)]
    first, hair, last = answers("encoder", Encoder(towers), batch)
    assert isinstance(hair, SpecialistError)
    assert "too narrow" in str(hair)
    assert isinstance(first, Reply)
    assert isinstance(last, Reply)


def test_who_only_looks_loads_nothing_else() -> None:
    loaded: list[str] = []

    def late(name: str) -> LateTower:
        def load() -> Counter:
            loaded.append(name)
            return Counter()

        return LateTower(name, load)

    one = Encoder({"clip": late("clip"), "seg": late("seg")})
    one.run([Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),))])
    assert loaded == ["clip"]
    one.warm_up()
    assert loaded == ["clip", "seg"]


def test_without_any_encoder_only_the_models_own_can_be_shown() -> None:
    assert isinstance(seen(Request(CLIP, "a", PHOTO)), Reencoded)
    with pytest.raises(SpecialistError, match="has no 'seg' re-encoder"):
        seen(Request(SAM, "a", PHOTO))


DATA = Path(__file__).parents[1] / "data/vpt"
WIDTHS: list[dict[str, Any]] = [
    row
    for row in json.loads((DATA / "region_geometry.json").read_text(encoding="utf-8"))
    if row["decision"] == "region" and all(min(one["crop_size"]) > 0 for one in row["groups"])
]


@pytest.fixture(scope="module")
def released() -> Encoder:
    return Encoder.from_folder(DATA / "clip")


@pytest.mark.parametrize("row", WIDTHS, ids=lambda row: str(row["id"]))
def test_golden_crops_are_seen_as_the_paper_sees_them(
    row: dict[str, Any], released: Encoder
) -> None:
    """Narrow ones too: nothing around them is shown, they are enlarged."""
    pixels = np.zeros((row["height"], row["width"], 3), np.uint8)
    for group in row["groups"]:
        request = Request(REGION, f"{row['id']}", pixels, (mark(*group["box"]),))
        [reply] = released.run([request])
        assert isinstance(reply.observation, Looked)
        assert reply.observation.views[0].source.xyxy == tuple(group["box"])
        assert list(reply.features[0].grid) == group["grid_thw"]


def test_a_hairline_of_a_released_checkpoint_is_for_the_model(released: Encoder) -> None:
    hair = np.zeros((1, 1333, 3), np.uint8)
    with pytest.raises(SpecialistError, match="1333 x 1 pixels is too narrow"):
        released.run([Request(CLIP, "hair", hair)])
