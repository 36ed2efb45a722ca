"""Symbols that cannot be mixed up, hands that point where they say, letters that stay in their frame."""

from itertools import combinations

import numpy as np
import pytest

from foveal.evals.faces import Card, Dial, Lettering, sample
from foveal.evals.symbols import filled, outline, stamp
from foveal.evals.vocabulary import HOURS, SYMBOLS


@pytest.mark.parametrize("side", [24, 60])
def test_no_two_symbols_look_alike(side: int) -> None:
    """Of what either covers they share less than 80 % (circle and ring, the closest, share the rim)."""
    stamps = {name: stamp(name, side) for name in SYMBOLS}
    for one, two in combinations(SYMBOLS, 2):
        both = np.minimum(stamps[one], stamps[two]).sum()
        assert both < 0.8 * np.maximum(stamps[one], stamps[two]).sum(), (one, two)


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols_fill_their_square_and_no_more(name: str) -> None:
    corners = outline(name)
    assert np.abs(corners).max() <= 1.1
    assert np.ptp(corners, axis=0).max() > 1.5
    assert 0.1 < stamp(name, 60).mean() < 0.9


def test_filled_counts_the_pixels_inside() -> None:
    square = np.array([(2.0, 3.0), (8.0, 3.0), (8.0, 7.0), (2.0, 7.0)])
    cover = filled(square, (12, 10))
    assert cover.shape == (10, 12)
    assert cover.sum() == pytest.approx(24, rel=0.12)
    assert cover[3:7, 2:8].min() > 0.6
    assert cover[:2].max() == 0


@pytest.mark.parametrize("width", [30, 46, 120])
def test_hands_point_where_they_say(width: int) -> None:
    """The ink, without the marks around it, lies towards the hour."""
    for hour in HOURS:
        _, ink = Dial(hour).layers(width)
        row, column = np.mgrid[:width, :width] + 0.5 - width / 2
        hand = ink * (np.hypot(row, column) < 0.8 * 0.44 * width)
        angle = np.degrees(np.arctan2((hand * column).sum(), -(hand * row).sum()))
        assert (angle - 30 * hour + 180) % 360 - 180 == pytest.approx(0, abs=9)


def test_no_numeral_is_on_a_dial_for_a_reader_to_find() -> None:
    """Turned by a quarter, the face of 12 o'clock is that of 3 o'clock: there is nothing but marks and a hand."""
    for layer in (0, 1):
        twelve, three = Dial(12).layers(80)[layer], Dial(3).layers(80)[layer]
        assert twelve is not None
        assert three is not None
        assert np.abs(np.rot90(twelve, -1) - three).mean() < 0.02


@pytest.mark.parametrize("face", [Card("heart"), Lettering.of("WORD", framed=True)])
def test_ink_lies_on_the_paper(face: Card | Lettering) -> None:
    paper, ink = face.layers(90)
    assert paper is not None
    assert (ink[paper == 0] == 0).all()
    assert 0.4 < paper.mean() < 0.95


def test_unframed_letters_have_no_paper() -> None:
    paper, ink = Lettering.of("WORD").layers(90)
    assert paper is None
    assert 0.05 < ink.mean() < 0.5


def test_longer_words_make_wider_boards() -> None:
    assert Lettering.of("WWWW").width > Lettering.of("WW").width
    assert Lettering.of("WW", framed=True).width > Lettering.of("WW").width


def test_sampling_takes_a_mean_between_pixels() -> None:
    tile = np.array([[0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    across = np.array([0.0, 0.25, 0.5, 0.75, 1.0], dtype=np.float32)
    found = sample(tile, across, np.full(5, 0.5, dtype=np.float32))
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1], atol=2e-3)
