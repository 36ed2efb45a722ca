"""Imagined scenes are shown as a tower would show them, rendered ones as they were drawn."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.agent.observations import View
from foveal.agent.wording import Reseen
from foveal.evals.palette import COLOURS
from foveal.evals.truth import Thing
from foveal.training import subjects
from foveal.training.glimpses import ENOUGH, grid_of, picture
from foveal.training.meanings import Dictionary
from foveal.training.observing import whole
from foveal.training.projecting import SCALE
from foveal.training.reencoders import blocks_of, patches_of
from foveal.training.scenes import Scenes
from foveal.training.subjects import Imagined, fancied, fills, remembered, rendered

EVERY: tuple[Encoder, ...] = ("clip", "detection", "seg")


@pytest.fixture
def words(tokenizer: Any) -> Dictionary:
    """Of a table as wide as the embedded model's."""
    table = torch.randn(tokenizer.get_vocab_size(), 256, generator=torch.Generator().manual_seed(0))
    return Dictionary(table, tokenizer)


def view(size: tuple[int, int]) -> View:
    box = whole(size)
    return View(role="whole", pixels=box, source=box)


def thing(number: int, box: tuple[int, int, int, int], depth: float) -> Thing:
    return Thing(number, "cube", "red", box, 100, 100, depth, depth)


def test_a_cell_belongs_to_what_fills_it_and_to_the_nearer_of_two() -> None:
    far, near = thing(1, (0, 0, 40, 40), 2.0), thing(2, (20, 0, 40, 40), 1.0)
    assert fills((far, near), (0, 0, 80, 40), (1, 4), 0.2).tolist() == [0, 1, -1, -1]
    assert fills((near, far), (0, 0, 80, 40), (1, 4), 0.2).tolist() == [1, 0, -1, -1]
    assert fills((far,), (40, 0, 80, 40), (2, 2), 0.2).tolist() == [-1] * 4
    little = thing(3, (0, 0, 14, 14), 1.0)
    assert fills((little,), (0, 0, 80, 40), (1, 2), 0.05).tolist() == [0, -1]
    assert fills((little,), (0, 0, 80, 40), (1, 2), 0.2).tolist() == [-1, -1]


def test_imagined_tokens_say_what_is_there(
    words: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "MISTAKEN", dict.fromkeys(subjects.MISTAKEN, 0.0))
    monkeypatch.setattr(subjects, "AFAR", {})
    right = total = 0
    for seed in range(20):
        subject = fancied(words)(np.random.default_rng(seed))
        height, width = subject.scene.instances.shape
        grid = grid_of(width, height)
        shown = subject.shown(view((width, height)), grid)
        assert isinstance(shown, torch.Tensor)
        assert shown.shape == (grid[0] * grid[1], words.rows.shape[1])
        which = fills(subject.scene.things, (0, 0, width, height), grid, ENOUGH["colour"])
        heard = (shown @ words.attributes["colour"].T).argmax(1)
        for cell in np.flatnonzero(which >= 0):
            total += 1
            colour = COLOURS.index(subject.scene.things[which[cell]].colour)
            right += int(heard[cell]) == colour
    assert right / total > 0.9


def test_a_view_may_mistake_a_thing_but_is_of_one_mind(
    words: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "MISTAKEN", dict.fromkeys(subjects.MISTAKEN, 1.0))
    subject = fancied(words)(np.random.default_rng(0))
    assert isinstance(subject, Imagined)
    height, width = subject.scene.instances.shape
    grid = grid_of(width, height)
    said = subject._said((0, 0, width, height), grid)["shape"]
    which = fills(subject.scene.things, (0, 0, width, height), grid, ENOUGH["shape"])
    for place in set(which[which >= 0]):
        assert len(set(said[which == place])) == 1


def test_rendered_subjects_show_their_pixels(eight: Scenes) -> None:
    rng = np.random.default_rng(1)
    subject = rendered(eight)(rng)
    number = int(np.random.default_rng(1).integers(8))
    assert subject.scene.things == remembered(eight, number).things
    width, height = (int(v) for v in eight.sizes[number])
    grid = grid_of(width, height)
    expected = picture(eight.pictures[number], (0, 0, width, height), grid)
    shown: Any = subject.shown(view((width, height)), grid)
    assert np.array_equal(shown, expected)


@pytest.mark.parametrize("encoder", ["detection", "seg"])
def test_imagined_re_encodings_tell_a_measure(words: Dictionary, encoder: Any) -> None:
    """How near each thing is, or how large: in the order of the truth, but for what wavers."""
    right = total = 0
    for seed in range(20):
        subject = fancied(words, EVERY)(np.random.default_rng(seed))
        if subject.scene.flat:
            continue
        things, (height, width) = subject.scene.things, subject.scene.instances.shape
        square = (max(width, height),) * 2
        grid = blocks_of(width, height) if encoder == "seg" else patches_of(width, height)
        shown = subject.shown(Reseen(encoder, view((width, height))), grid)
        assert isinstance(shown, torch.Tensor)
        assert shown.shape == (grid[0] * grid[1], words.rows.shape[1])
        seen = square if encoder == "seg" else (width, height)
        which = fills(things, (0, 0, *seen), grid, ENOUGH["colour"])
        told = (shown @ words.scales[SCALE[encoder]]).numpy()
        means = {n: told[which == n].mean() for n in set(which[which >= 0])}
        for one, other in combinations(means, 2):
            total += 1
            if encoder == "seg":
                truth = things[one].visible > things[other].visible
            else:
                truth = things[one].depth < things[other].depth
            right += bool(means[one] > means[other]) == truth
    assert total > 50
    assert right / total > 0.8


def test_a_drawing_has_no_distances(words: Dictionary) -> None:
    drawn = (fancied(words, EVERY)(np.random.default_rng(seed)) for seed in range(40))
    subject = next(one for one in drawn if one.scene.flat)
    height, width = subject.scene.instances.shape
    grid = patches_of(width, height)
    shown: Any = subject.shown(Reseen("detection", view((width, height))), grid)
    cosines = functional.normalize(shown, dim=1) @ words.scales["near"]
    assert cosines.abs().mean() < 0.15


def test_its_own_encoder_shows_a_scene_as_before(words: Dictionary) -> None:
    subject = fancied(words, EVERY)(np.random.default_rng(0))
    height, width = subject.scene.instances.shape
    grid = grid_of(width, height)
    shown = subject.shown(Reseen("clip", view((width, height))), grid)
    assert isinstance(shown, torch.Tensor)
    assert len(shown) == grid[0] * grid[1]
