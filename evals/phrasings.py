"""How questions are worded: at least six ways per family, in both cases, with and without articles."""

from __future__ import annotations

import numpy as np

PLURALS = {
    "cube": "cubes",
    "sphere": "spheres",
    "cylinder": "cylinders",
    "cone": "cones",
    "pyramid": "pyramids",
    "sign": "signs",
    "thing": "things",
}

COUNT = (
    "How many {many} are there?",
    "how many {many} are there?",
    "How many {many} can you see?",
    "how many {many} are on the table",
    "Count the {many}.",
    "How many {many} are in the picture?",
    "What is the number of {many}?",
    "number of {many}?",
)
EXIST = (
    "Is there {a} {one}?",
    "is there {a} {one}?",
    "Is there {a} {one} on the table?",
    "Can you see {a} {one}?",
    "Are there any {many}?",
    "are there any {many} in the picture?",
    "Does the picture show {a} {one}?",
    "any {many}?",
)
COLOUR = (
    "What colour is the {one}?",
    "What color is the {one}?",
    "what colour is the {one}?",
    "what color is the {one}",
    "Which colour does the {one} have?",
    "What is the color of the {one}?",
    "Name the colour of the {one}.",
    "colour of {one}?",
)
SHAPE = (
    "What shape is the {one}?",
    "what shape is the {one}?",
    "What is the shape of the {one}?",
    "Which shape does the {one} have?",
    "Name the shape of the {one}.",
    "what kind of shape is the {one}",
    "shape of {one}?",
)
READ = (
    "What does the {one} say?",
    "what does the {one} say?",
    "What is written on the {one}?",
    "what is written on the {one}",
    "Read the {one}.",
    "What text is on the {one}?",
    "text on {one}?",
)
READ_WORD = (
    "What word is on the {one}?",
    "Which word is written on the {one}?",
    "what is the word on the {one}?",
)
READ_NUMBER = (
    "What is the number on the {one}?",
    "what number is on the {one}?",
    "Which number is written on the {one}?",
)
NEARER = (
    "Which is nearer, the {a} or the {b}?",
    "Which is closer, the {a} or the {b}?",
    "which is closer to the camera, the {a} or the {b}?",
    "Which one is nearer to the viewer, the {a} or the {b}?",
    "What is closer, the {a} or the {b}?",
    "which is nearer, {a} or {b}?",
)
FARTHER = (
    "Which is farther, the {a} or the {b}?",
    "Which is further away, the {a} or the {b}?",
    "which is farther from the camera, the {a} or the {b}?",
    "Which one is further from the viewer, the {a} or the {b}?",
    "What is farther away, the {a} or the {b}?",
    "which is further away, {a} or {b}?",
)
SIDE = (
    "Is the {a} left or right of the {b}?",
    "is the {a} left or right of the {b}?",
    "Is the {a} to the left or to the right of the {b}?",
    "Is the {a} on the left or on the right of the {b}?",
    "is {a} left or right of {b}?",
    "Does the {a} stand left or right of the {b}?",
)
LEFTMOST = (
    "Which is further left, the {a} or the {b}?",
    "which is further left, {a} or {b}?",
    "Which is farther to the left, the {a} or the {b}?",
)
RIGHTMOST = (
    "Which is further right, the {a} or the {b}?",
    "which is further right, {a} or {b}?",
    "Which is farther to the right, the {a} or the {b}?",
)
LARGER = (
    "Which is larger in the picture, the {a} or the {b}?",
    "which is larger in the picture, {a} or {b}?",
    "Which is bigger in the picture, the {a} or the {b}?",
    "which looks bigger, the {a} or the {b}?",
    "Which takes up more of the picture, the {a} or the {b}?",
    "What appears larger, the {a} or the {b}?",
)
SMALLER = (
    "Which is smaller in the picture, the {a} or the {b}?",
    "which is smaller in the picture, {a} or {b}?",
    "Which looks smaller, the {a} or the {b}?",
    "which takes up less of the picture, the {a} or the {b}?",
    "What appears smaller, the {a} or the {b}?",
)


def word(templates: tuple[str, ...], rng: np.random.Generator, **blanks: str) -> str:
    """One of the wordings, its blanks filled in; `one` alone also fills {a} (its article) and {many}."""
    if "one" in blanks:
        blanks = {"a": article(blanks["one"]), "many": plural(blanks["one"]), **blanks}
    return templates[rng.integers(len(templates))].format(**blanks)


def plural(phrase: str) -> str:
    """Turn "red cube" into "red cubes". Raises KeyError for a noun the tabletop does not have."""
    *before, noun = phrase.split(" ")
    return " ".join([*before, PLURALS[noun]])


def singular(phrase: str) -> str:
    """Turn "red cubes" into "red cube"; a phrase in the singular comes back as it is."""
    *before, noun = phrase.split(" ")
    return " ".join([*before, {many: one for one, many in PLURALS.items()}.get(noun, noun)])


def article(phrase: str) -> str:
    """The word to put before a singular phrase: "a", or "an" before a vowel."""
    return "an" if phrase[0] in "aeiou" else "a"
