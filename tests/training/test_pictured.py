"""Rows of dialogues about one image: their pictures are those that serving would show, in reading order."""

import re
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.actions import Region
from foveal.agent.regions import cells_to_box
from foveal.evals.boxes import contains
from foveal.evals.splits import size_of
from foveal.evals.tabletop import COLOURS, SHAPES, scene
from foveal.evals.vocabulary import MATERIALS, SYMBOLS, TEXTURES
from foveal.training import pictured
from foveal.training.glimpses import content, grid_of, picture
from foveal.training.meanings import Dictionary
from foveal.training.observing import whole
from foveal.training.pictured import LENGTH, Composer, strange, view_grid
from foveal.training.projecting import KINDS
from foveal.training.reseeing import seen
from foveal.training.scenes import NAMES, Scenes
from foveal.training.sizes import PIXELS
from foveal.training.subjects import fancied, remembered, rendered
from foveal.training.tokenizer import number
from foveal.training.tower import CELL, tokens


def test_pictures_fill_the_visual_places_in_reading_order(eight: Scenes, tokenizer: Any) -> None:
    for shown in islice(Composer((rendered(eight),), tokenizer, 0).batches(3), 4):
        packed = shown.packed
        assert packed.ids.shape == (3, LENGTH)
        starts = packed.ids == number(tokenizer, "<|vision_start|>")
        runs = [
            int((~packed.visual[row, place + 1 :]).float().argmax())
            for row, place in starts.nonzero().tolist()
        ]
        seen_as: Any = shown.pictures
        grids = [(p.shape[0] // CELL, p.shape[1] // CELL) for p in seen_as]
        assert runs == [rows * columns for rows, columns in grids]
        assert int(packed.visual.sum()) == sum(runs)
        assert not (packed.visual & packed.emitted).any()


def test_rows_hold_several_dialogues_with_and_without_tools(eight: Scenes, tokenizer: Any) -> None:
    composer = Composer((rendered(eight),), tokenizer, 1)
    rows = [composer.row() for _ in range(40)]
    assert np.mean([row.dialogues for row, _ in rows]) > 2
    assert all(0 < len(row) <= LENGTH for row, _ in rows)
    texts = [tokenizer.decode(row.ids[0].tolist(), skip_special_tokens=False) for row, _ in rows]
    prompts = Counter(text.split("<|im_end|>")[0].split("tools: ")[1] for text in texts)
    assert prompts["look reencode detect segment depth read"] > 10
    assert 4 < prompts["none"] < 25
    assert max(len(shown) for _, shown in rows) > 1


def test_much_is_asked_of_one_re_encoding(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question by itself: they share the picture and its re-encoding, of which nothing is supervised."""
    for name in ("AGAIN", "MEASURING"):
        monkeypatch.setattr(pictured, name, 1.0)
    monkeypatch.setattr(pictured, "POINTING", 0.0)
    words = Dictionary(torch.randn(tokenizer.get_vocab_size(), 64), tokenizer)
    composer = Composer((fancied(words, KINDS),), tokenizer, 3)
    several = 0
    for _ in range(30):
        row, shown = composer.row()
        shared = tokenizer.decode(row.ids[0].tolist(), skip_special_tokens=False)
        if "again " not in shared:
            continue
        several += row.dialogues > 1
        views = 5 if "again clip" in shared else 2  # the first look, and four quarters or all of it
        assert len(shown) == shared.count("<|vision_start|>") == views
        assert not row.emitted[0].any()
        assert all(emitted.any() for emitted in row.emitted[1:])
        assert shared.endswith("<|vision_end|>")
    assert several > 5


def test_without_tools_only_what_can_be_seen_is_answered(eight: Scenes, tokenizer: Any) -> None:
    """What a sign says is not among it."""
    composer = Composer((rendered(eight),), tokenizer, 2)
    words = {"yes", "no", "left", "right", "above", "below", "unknown", *COLOURS, *SHAPES, *NAMES}
    words |= {*MATERIALS, *TEXTURES, *SYMBOLS}
    answered: Counter[str] = Counter()
    for _ in range(60):
        row, _ = composer.row()
        said = tokenizer.decode(np.concatenate(row.ids).tolist(), skip_special_tokens=False)
        if said.startswith("<|im_start|>system\ntools: none<|im_end|>"):
            turns = said.split("<|im_start|>assistant\n")[1:]
            answered.update(turn.split("<|im_end|>")[0] for turn in turns)
    told = {answer for answer in answered if not answer.isdigit() and "o'clock" not in answer}
    assert told <= words
    assert max(int(answer) for answer in answered if answer.isdigit()) < 10
    assert answered["unknown"] > 10


def test_a_cached_scene_is_remembered_as_it_was_rendered(eight: Scenes) -> None:
    for index in range(8):
        truth, found = scene(index, "train", size_of(index)), remembered(eight, index)
        assert found.instances.shape == truth.instances.shape
        assert found.flat == truth.flat
        assert [(t.id, t.shape, t.colour, t.box, t.text) for t in found.things] == [
            (t.id, t.shape, t.colour, t.box, t.text) for t in truth.things
        ]


@pytest.mark.parametrize("index", range(8))
def test_the_whole_picture_is_what_serving_shows(eight: Scenes, index: int) -> None:
    """But for the way it is made smaller."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from foveal.training.tower import patches

    truth = scene(index, "train", size_of(index))
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": PIXELS, "longest_edge": PIXELS})
    served = processor(images=[truth.image], return_tensors="pt", input_data_format="channels_last")
    grid = grid_of(*size_of(index))
    trained = patches(picture(eight.pictures[index], content(eight, index), grid)[None])[0]
    assert served["image_grid_thw"][0].tolist() == [1, 2 * grid[0], 2 * grid[1]]
    expected = served["pixel_values"].view(len(trained), 3, 2, -1)[:, :, 0].flatten(1)
    assert (trained - expected).abs().mean() < 0.12 * expected.std()


@pytest.mark.parametrize("seed", range(12))
def test_strange_pictures_have_the_grid_of_the_size_they_claim(seed: int) -> None:
    image = strange(np.random.default_rng(seed))
    height, width = image.shape[:2]
    assert (height % CELL, width % CELL) == (0, 0)
    assert grid_of(3 * width, 3 * height) == (height // CELL, width // CELL)


def test_features_come_in_the_pictures_order(eight: Scenes, tokenizer: Any, tiny: Any) -> None:
    network = tiny(tokenizer)
    tower = network.model.visual
    rng = np.random.default_rng(0)
    sizes = [(56, 84), (28, 28), (56, 84), (84, 56)]
    shown = tuple(rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes)
    packed = next(Composer((rendered(eight),), tokenizer, 0).batches(1)).packed
    found, states = seen(network, packed, shown)
    assert states is None
    with torch.no_grad():
        expected = torch.cat([tokens(tower, image[None])[0] for image in shown])
    assert torch.allclose(found, expected, atol=2e-2)
    assert not found.requires_grad


def test_the_seed_decides_everything(eight: Scenes, tokenizer: Any) -> None:
    one, two, other = (
        next(Composer((rendered(eight),), tokenizer, seed).batches(2)) for seed in (3, 3, 4)
    )
    assert torch.equal(one.packed.ids, two.packed.ids)
    both: Any = zip(one.pictures, two.pictures, strict=True)
    assert all(np.array_equal(a, b) for a, b in both)
    assert not torch.equal(one.packed.ids, other.packed.ids)


def test_a_view_takes_the_grid_of_its_pixels() -> None:
    from foveal.agent.observations import View

    box = whole((640, 480))
    assert view_grid(View(role="whole", pixels=box, source=box)) == grid_of(640, 480)


def test_some_rows_do_nothing_but_point(eight: Scenes, tokenizer: Any) -> None:
    """At things of their scene, whose crops hold them, at once, and as often as there is room."""
    composer = Composer((rendered(eight),), tokenizer, 0)
    pointed = 0
    for seed in range(8):
        subject = rendered(eight)(np.random.default_rng(seed))
        row, shown = composer._pointing(subject)
        if not row:
            continue
        assert len(shown) == 1
        ids, emitted = np.concatenate(row.ids), np.concatenate(row.emitted)
        said = tokenizer.decode(ids[emitted].tolist(), skip_special_tokens=False)
        regions = re.findall(r"(?:<\|[a-z_]+\|>)((?:<\|[xy]_\d\|>){4})", said)
        assert len(regions) == row.dialogues
        height, width = subject.scene.instances.shape
        for spelt in regions:
            x0, y0, x1, y1 = map(int, re.findall(r"\d", spelt))
            crop = cells_to_box(Region(x0=x0, y0=y0, x1=x1, y1=y1), width, height)
            assert any(contains(crop, thing.box) for thing in subject.scene.things)
        pointed += len(regions)
    assert pointed > 8
