"""How questions are worded: at least eight ways per family, in any case, with articles and without.

In a template `{one}` is a name after "the", `{a}` and `{b}` are two of them, `{an}` is a name after "a" or
"an", and `{many}` and `{few}` are plurals.
"""

from __future__ import annotations

import numpy as np

from foveal.evals.vocabulary import SHAPES

PLURALS = {noun: f"{noun}s" for noun in (*SHAPES, "thing")}

Templates = tuple[str, ...]

COUNT = (
    "How many {many} are there?",
    "How many {many} can you see?",
    "How many {many} are on the table?",
    "Count the {many}.",
    "How many {many} are in the picture?",
    "What is the number of {many}?",
    "Number of {many}?",
    "How many {many} does the picture show?",
    "Tell me how many {many} there are.",
)
EXIST = (
    "Is there {an}?",
    "Is there {an} on the table?",
    "Can you see {an}?",
    "Are there any {many}?",
    "Are there any {many} in the picture?",
    "Does the picture show {an}?",
    "Any {many}?",
    "Do you see {an} here?",
    "Is {an} in the picture?",
)
COLOUR = (
    "What colour is {one}?",
    "What color is {one}?",
    "Which colour does {one} have?",
    "What is the color of {one}?",
    "Name the colour of {one}.",
    "Colour of {one}?",
    "In what colour is {one} painted?",
    "Which color is {one}?",
)
SHAPE = (
    "What shape is {one}?",
    "What is the shape of {one}?",
    "Which shape does {one} have?",
    "Name the shape of {one}.",
    "What kind of shape is {one}?",
    "Shape of {one}?",
    "What is {one}?",
    "What sort of object is {one}?",
)
MATERIAL = (
    "What material is {one}?",
    "What is {one} made of?",
    "Is {one} matte, shiny or metal?",
    "Which material is {one}: matte, shiny or metal?",
    "What kind of surface does {one} have: matte, shiny or metal?",
    "Name the material of {one}.",
    "Material of {one}?",
    "What finish does {one} have?",
)
TEXTURE = (
    "What pattern does {one} have?",
    "Is {one} plain, striped, dotted or checked?",
    "What texture does {one} have?",
    "Which pattern is on {one}?",
    "What is the pattern of {one}?",
    "Name the pattern of {one}.",
    "Pattern of {one}?",
    "How is {one} patterned?",
    "Which texture is {one}: plain, striped, dotted or checked?",
)
READ = (
    "What does {one} say?",
    "What is written on {one}?",
    "Read {one}.",
    "What text is on {one}?",
    "Text on {one}?",
    "What can be read on {one}?",
    "What does it say on {one}?",
    "Which text does {one} show?",
)
READ_WORD = (
    "What word is on {one}?",
    "Which word is written on {one}?",
    "What is the word on {one}?",
)
READ_NUMBER = (
    "What is the number on {one}?",
    "What number is on {one}?",
    "Which number is written on {one}?",
)
NEARER = (
    "Which is nearer, {a} or {b}?",
    "Which is closer, {a} or {b}?",
    "Which is closer to the camera, {a} or {b}?",
    "Which one is nearer to the viewer, {a} or {b}?",
    "What is closer, {a} or {b}?",
    "What is nearer to us, {a} or {b}?",
    "Which of the two is nearer: {a} or {b}?",
    "Which stands closer, {a} or {b}?",
)
FARTHER = (
    "Which is farther, {a} or {b}?",
    "Which is further away, {a} or {b}?",
    "Which is farther from the camera, {a} or {b}?",
    "Which one is further from the viewer, {a} or {b}?",
    "What is farther away, {a} or {b}?",
    "Which of the two is further away: {a} or {b}?",
)
SIDE = (
    "Is {a} left or right of {b}?",
    "Is {a} to the left or to the right of {b}?",
    "Is {a} on the left or on the right of {b}?",
    "Does {a} stand left or right of {b}?",
    "Is {a} found left or right of {b}?",
    "Does {a} lie to the left or to the right of {b}?",
    "Where is {a}, left or right of {b}?",
)
LEFTMOST = (
    "Which is further left, {a} or {b}?",
    "Which is farther to the left, {a} or {b}?",
    "What is more to the left, {a} or {b}?",
)
RIGHTMOST = (
    "Which is further right, {a} or {b}?",
    "Which is farther to the right, {a} or {b}?",
    "What is more to the right, {a} or {b}?",
)
IS_LEFT = ("Is {a} left of {b}?", "Is {a} to the left of {b}?", "Does {a} stand left of {b}?")
IS_RIGHT = ("Is {a} right of {b}?", "Is {a} to the right of {b}?", "Does {a} stand right of {b}?")
LEVEL = (
    "Is {a} above or below {b} in the picture?",
    "Is {a} higher or lower in the picture than {b}, above or below?",
    "In the picture, is {a} above or below {b}?",
)
HIGHER = (
    "Which is higher in the picture, {a} or {b}?",
    "Which is further up in the picture, {a} or {b}?",
    "What is nearer to the top of the picture, {a} or {b}?",
)
LOWER = (
    "Which is lower in the picture, {a} or {b}?",
    "Which is further down in the picture, {a} or {b}?",
    "What is nearer to the bottom of the picture, {a} or {b}?",
)
IS_ABOVE = ("Is {a} above {b} in the picture?", "Is {a} higher in the picture than {b}?")
IS_BELOW = ("Is {a} below {b} in the picture?", "Is {a} lower in the picture than {b}?")
LARGER = (
    "Which is larger in the picture, {a} or {b}?",
    "Which is bigger in the picture, {a} or {b}?",
    "Which looks bigger, {a} or {b}?",
    "Which takes up more of the picture, {a} or {b}?",
    "What appears larger, {a} or {b}?",
    "Which covers more of the picture, {a} or {b}?",
    "Which looks larger, {a} or {b}?",
    "What seems bigger in the picture, {a} or {b}?",
)
SMALLER = (
    "Which is smaller in the picture, {a} or {b}?",
    "Which looks smaller, {a} or {b}?",
    "Which takes up less of the picture, {a} or {b}?",
    "What appears smaller, {a} or {b}?",
    "Which covers less of the picture, {a} or {b}?",
)
TRULY_LARGER = (
    "Which is really larger, {a} or {b}?",
    "Which is bigger in reality, {a} or {b}?",
    "Which is truly larger, {a} or {b}?",
    "Which would be larger side by side, {a} or {b}?",
    "What is actually bigger, {a} or {b}?",
    "Which has the larger true size, {a} or {b}?",
    "Leaving distance aside, which is larger, {a} or {b}?",
    "Which one is the larger object, {a} or {b}?",
)
TRULY_SMALLER = (
    "Which is really smaller, {a} or {b}?",
    "Which is smaller in reality, {a} or {b}?",
    "Which is truly smaller, {a} or {b}?",
    "Which would be smaller side by side, {a} or {b}?",
    "What is actually smaller, {a} or {b}?",
)
MORE = (
    "Are there more {many} than {few}?",
    "Can you see more {many} than {few}?",
    "Does the picture show more {many} than {few}?",
    "Do the {many} outnumber the {few}?",
    "Is the number of {many} larger than the number of {few}?",
)
FEWER = (
    "Are there fewer {many} than {few}?",
    "Can you see fewer {many} than {few}?",
    "Is the number of {many} smaller than the number of {few}?",
)
SAME_COLOUR = (
    "What else has the same colour as {one}?",
    "Which other thing has the same color as {one}?",
    "What has the same colour as {one}?",
    "What else is the colour of {one}?",
    "Which thing shares its colour with {one}?",
    "What other thing matches {one} in color?",
    "Besides {one}, what has that colour?",
    "Name the other thing in the colour of {one}.",
)
SAME_SHAPE = (
    "What else has the same shape as {one}?",
    "Which other thing has the same shape as {one}?",
    "What has the same shape as {one}?",
    "Which thing shares its shape with {one}?",
    "What other thing matches {one} in shape?",
    "Besides {one}, what has that shape?",
)
HOP_READ = (
    "What does {one} say?",
    "What is written on {one}?",
    "Read {one}.",
    "What text is on {one}?",
    "What can be read on {one}?",
    "What does it say on {one}?",
    "Which text does {one} show?",
    "Tell me what {one} says.",
)
SYMBOL = (
    "What is on {one}?",
    "Which symbol is on {one}?",
    "What does {one} show?",
    "What symbol does {one} show?",
    "Which shape is drawn on {one}?",
    "What is drawn on {one}?",
    "What is the symbol on {one}?",
    "Name the symbol on {one}.",
    "Which icon is on {one}?",
)
DIAL = (
    "Where does the hand of {one} point?",
    "What time does {one} show?",
    "Which hour does {one} show?",
    "What does {one} show?",
    "Where is the hand of {one} pointing?",
    "Read the hand of {one}.",
    "What hour is on {one}?",
    "As on a clock, where does {one} point?",
)

FRAMES = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "higher in the picture than"),
    "below": ("below", "lower in the picture than"),
}
"""Where something is, in relation to something else."""


def word(templates: Templates, rng: np.random.Generator, **names: str) -> str:
    """One of the wordings with its blanks filled in; `one` also gives {an} and {many}, and a drawn letter case."""
    template, bare = templates[rng.integers(len(templates))], rng.random() < 0.15
    the = "" if bare else "the "
    blanks = {key: the + name for key, name in names.items() if key in ("one", "a", "b")}
    if "one" in names:
        one = names["one"]
        blanks |= {"an": one if bare else f"{article(one)} {one}", "many": plural(one)}
    blanks |= {key: names[key] for key in ("many", "few") if key in names}
    return cased(template.format(**blanks), rng)


def cased(text: str, rng: np.random.Generator) -> str:
    """As people type: mostly as it should be, often small, seldom shouted, now and then without its last mark."""
    draw = rng.random()
    if draw < 0.30:
        text = text[0].lower() + text[1:]
    elif draw < 0.34:
        text = text.upper()
    elif draw < 0.37:
        text = text.title()
    return text.rstrip("?.") if rng.random() < 0.2 else text


def plural(phrase: str) -> str:
    """Turn "red cube" into "red cubes". Raises KeyError for a noun the world does not have."""
    *before, noun = phrase.split(" ")
    return " ".join([*before, PLURALS[noun]])


def singular(phrase: str) -> str:
    """Turn "red cubes" into "red cube"; a phrase in the singular comes back as it is."""
    *before, noun = phrase.split(" ")
    return " ".join([*before, {many: one for one, many in PLURALS.items()}.get(noun, noun)])


def article(phrase: str) -> str:
    """The word to put before a singular phrase: "a", or "an" before a vowel."""
    return "an" if phrase[0] in "aeiou" else "a"
