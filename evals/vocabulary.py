"""What things are called: every noun and attribute of the world, and which of them a detector's label says.

A label says what a detector names from afar. Whatever else is true of a thing shows only in its pixels:

| noun | its label | only a look shows |
|---|---|---|
| cube, sphere, cylinder, cone, pyramid | colour and shape | material, texture |
| sign | colour and noun | what it says (a reader tells, too) |
| card | colour of its frame and noun | the symbol on it |
| dial | colour of its frame and noun | where its hand points |
| bead, chip | the noun alone | colour and texture: they are too small for a first view |
| circle, square, rectangle, triangle | colour and shape | nothing more; they are drawn flat, never on a table |
"""

from __future__ import annotations

from foveal.evals.palette import COLOURS

SOLIDS = ("cube", "sphere", "cylinder", "cone", "pyramid")
BOARDS = ("sign", "card", "dial")
TRINKETS = ("bead", "chip")
FIGURES = ("circle", "square", "rectangle", "triangle")
SHAPES = (*SOLIDS, *BOARDS, *TRINKETS, *FIGURES)
"""Every noun."""

MATERIALS = ("matte", "shiny", "metal")
TEXTURES = ("plain", "striped", "dotted", "checked")
SYMBOLS = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "cross",
    "arrow",
    "diamond",
    "moon",
    "ring",
    "drop",
    "bolt",
)
"""What cards show. A detector is never taught to find one: nothing on a card has a box of its own."""

HOURS = tuple(range(1, 13))
"""Where the hand of a dial may point."""

HELD_OUT = frozenset(
    {
        ("red", "pyramid"),
        ("orange", "cylinder"),
        ("green", "cone"),
        ("purple", "cube"),
        ("white", "sphere"),
        ("purple", "rectangle"),
        ("orange", "triangle"),
    }
)
"""Colour and shape that are never together in any split but `hard`, nor named together in a question there."""


def label(colour: str, shape: str) -> str:
    """What a detector calls a thing: "red cube", but "bead" whatever its colour."""
    return shape if shape in TRINKETS else f"{colour} {shape}"


def parts(name: str) -> tuple[str | None, str]:
    """Colour, where the label says it, and noun: the other way round."""
    *colour, noun = name.split(" ")
    return (colour[0] if colour else None), noun


def fits(name: str, phrase: str) -> bool:
    """Whether a label fits a canonical phrase ("red cube", "cube", "red thing", "thing")."""
    colour, noun = parts(phrase)
    said, its = parts(name)
    return noun in (its, "thing") and colour in (None, said)


NAMES = (
    *(label(c, s) for c in COLOURS for s in (*SOLIDS, *BOARDS, *FIGURES)),
    *TRINKETS,
)
"""The labels, in the order of a detector's classes. Held-out pairs have one too, though no training shows them."""


def hour(number: int) -> str:
    """How a dial's reading is told."""
    return f"{number} o'clock"
