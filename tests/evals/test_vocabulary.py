"""Labels say colour and noun, or the noun alone, and nothing that only a look shows."""

from foveal.evals.palette import COLOURS
from foveal.evals.vocabulary import (
    BOARDS,
    FIGURES,
    HELD_OUT,
    MATERIALS,
    NAMES,
    SHAPES,
    SOLIDS,
    SYMBOLS,
    TEXTURES,
    TRINKETS,
    hour,
    label,
    parts,
)


def test_every_thing_has_one_label_and_every_label_a_thing() -> None:
    made = {label(colour, shape) for colour in COLOURS for shape in SHAPES}
    assert made == set(NAMES)
    assert len(set(NAMES)) == len(NAMES) == 8 * (5 + 3 + 4) + 2


def test_labels_come_apart_again() -> None:
    for colour in COLOURS:
        for shape in SHAPES:
            said = None if shape in TRINKETS else colour
            assert parts(label(colour, shape)) == (said, shape)


def test_labels_say_nothing_that_only_a_look_shows() -> None:
    """Symbols that are also figures may be named in a drawing, but there are no cards there."""
    words = {word for name in NAMES for word in name.split()}
    assert not words & {*MATERIALS, *TEXTURES}
    assert words & set(SYMBOLS) <= set(FIGURES)
    assert all(label(colour, "bead") == "bead" for colour in COLOURS)


def test_nouns_are_of_one_kind_each() -> None:
    kinds = (SOLIDS, BOARDS, TRINKETS, FIGURES)
    assert len(set(SHAPES)) == len(SHAPES) == sum(map(len, kinds))


def test_held_out_pairs_leave_every_colour_and_shape_elsewhere() -> None:
    for colour, shape in HELD_OUT:
        assert shape in (*SOLIDS, *FIGURES)
        assert any((other, shape) not in HELD_OUT for other in COLOURS if other != colour)
        assert any((colour, other) not in HELD_OUT for other in SOLIDS if other != shape)


def test_hours_are_told_like_clocks() -> None:
    assert [hour(number) for number in (1, 12)] == ["1 o'clock", "12 o'clock"]
