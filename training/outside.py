"""Questions from outside the tabletop, and text as a reader finds it in photographs.

The model reads what there is to read, asks the detector about what it has never heard of, and leaves the rest
open.
"""

import string

import numpy as np

from foveal.evals.questions import Question
from foveal.evals.vocabulary import SHAPES
from foveal.training import nouns

READ, UNHEARD = 0.35, 0.65
"""Where, between 0 and 1, questions about text end and those about unknown things; the rest stays open."""
RAMBLING = 0.4
"""Share of the open questions that are words without a sense: what no family asks must look strange as a whole."""


def outside(rng: np.random.Generator) -> tuple[Question, str]:
    """A question about something that is not of the tabletop, and the text in its image."""
    kind, text = rng.random(), found_text(rng)
    if kind < READ:
        question = _fill(nouns.READ_QUESTIONS, rng)[0]
        return Question("reading", question, text or "no text", (), ()), text
    if kind < UNHEARD:
        groups = (nouns.COUNT_QUESTIONS, nouns.EXIST_QUESTIONS, nouns.ABOUT_QUESTIONS)
        question, noun = _fill(groups[rng.integers(len(groups))], rng)
        return Question("unheard", question, "unknown", (), (noun,)), text
    return Question("open", _open(rng), "unknown", (), ()), text


def _open(rng: np.random.Generator) -> str:
    if rng.random() < RAMBLING:
        return _ramble(rng)
    template = nouns.OPEN_QUESTIONS[rng.integers(len(nouns.OPEN_QUESTIONS))]
    a, b = (str(rng.choice(SHAPES)) if rng.random() < 0.4 else _noun(rng) for _ in range(2))
    question = template.format(a=a, b=b)
    return question.lower().rstrip("?.") if rng.random() < 0.2 else question


def _ramble(rng: np.random.Generator) -> str:
    words = [str(rng.choice(nouns.BEGINNINGS))] if rng.random() < 0.85 else []
    for _ in range(rng.integers(1, 8)):
        draw = rng.random()
        words.append(str(rng.choice(nouns.WORDS)) if draw < 0.75 else _noun(rng))
    said = " ".join(words)
    return said + ("?" if rng.random() < 0.7 else "")


def _fill(templates: tuple[str, ...], rng: np.random.Generator) -> tuple[str, str]:
    a, b = _noun(rng), _noun(rng)
    return templates[rng.integers(len(templates))].format(a=a, b=b), a


def _noun(rng: np.random.Generator) -> str:
    if rng.random() < 0.7:
        return str(rng.choice(nouns.NOUNS))
    return letters(string.ascii_lowercase, rng, 3, 9)


def found_text(rng: np.random.Generator) -> str:
    """What an OCR engine might return for a photograph: up to nine words of any letters."""
    if rng.random() < 0.05:
        return ""
    return " ".join(_word(rng) for _ in range(rng.integers(1, 10)))


def _word(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.2:
        return str(rng.choice(nouns.NOUNS))
    if kind < 0.3:
        return str(rng.integers(0, 100_000))
    if kind < 0.55:
        return letters(string.ascii_uppercase, rng, 1, 9)
    if kind < 0.8:
        return letters(string.ascii_lowercase, rng, 1, 11)
    if kind < 0.9:
        return letters(string.ascii_letters + string.digits + string.punctuation, rng, 1, 9)
    return letters(string.ascii_letters + "àâçéèêëîïôùûüÿñáíóúäöß€£°—\u2019", rng, 2, 10)


def letters(alphabet: str, rng: np.random.Generator, least: int, most: int) -> str:
    """A word of any letters of an alphabet."""
    picked = rng.integers(len(alphabet), size=rng.integers(least, most + 1))
    return "".join(alphabet[i] for i in picked)
