"""Imagined scenes are shown as a tower would show them, rendered ones as they were drawn."""

from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.observations import View
from foveal.evals.palette import COLOURS
from foveal.evals.truth import Thing
from foveal.training import subjects
from foveal.training.corpus import whole
from foveal.training.glimpses import ENOUGH, grid_of, picture
from foveal.training.meanings import Dictionary
from foveal.training.scenes import Scenes
from foveal.training.subjects import Imagined, fancied, fills, remembered, rendered


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
