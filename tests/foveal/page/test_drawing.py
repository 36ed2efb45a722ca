"""A drawing covers what it shows, and nothing else; labels fit."""

import numpy as np
import pytest
from PIL import Image

from foveal.graphs.result import Evidence
from foveal.page.drawing import CANVAS, drawn
from foveal.page.ink import LONGEST, Stroke, relied_on


def test_a_drawing_covers_what_is_drawn_and_nothing_else() -> None:
    drawing = np.asarray(drawn([Stroke((10, 10, 30, 30), "", "detect")], (100, 50)))
    assert drawing.shape == (CANVAS // 2, CANVAS, 4)
    scale = CANVAS / 100
    assert tuple(drawing[round(20 * scale), round(10 * scale)]) == (27, 102, 217, 255)
    assert drawing[round(20 * scale), round(20 * scale), 3] == 0
    assert drawing[-1, -1, 3] == 0


def test_a_mask_lets_the_image_through() -> None:
    mask = Image.new("L", (4, 4), 255)
    drawing = np.asarray(drawn([Stroke((0, 0, 100, 100), "", "segment", mask)], (100, 100)))
    *colour, cover = (int(level) for level in drawing[CANVAS // 2, CANVAS // 2])
    assert 90 <= cover <= 105
    assert np.abs(np.array(colour) - (166, 38, 164)).max() <= 3


@pytest.mark.parametrize(
    ("label", "shown"),
    [("a\nb", "a b"), ("x" * 40, "x" * (LONGEST - 3) + "..."), ("\u7ea2", ""), ("\x1b[31m", "")],
    ids=["lines", "long", "no letters for it", "no letters at all"],
)
def test_labels_fit(label: str, shown: str) -> None:
    piece = Evidence(label=label, box=(0, 0, 9, 9), score=None, action="detect")
    assert [stroke.label for stroke in relied_on([piece])] == [shown]


def test_two_boxes_around_one_thing_are_labelled_once() -> None:
    boxes = ((0, 0, 10, 10), (1, 0, 11, 10), (40, 40, 50, 50))
    pieces = [Evidence(label="cube", box=box, score=None, action="detect") for box in boxes]
    assert [stroke.label for stroke in relied_on(pieces)] == ["", "cube", "cube"]
