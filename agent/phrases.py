"""Which classes of a closed vocabulary a phrase means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ARTICLES = {"a", "an", "the", "any", "all", "every", "each", "some"}
ANYTHING = {"thing", "object", "solid"}
"""Nouns that fit every class."""
IRREGULAR = {
    "people": "person",
    "mice": "mouse",
    "buses": "bus",
    "knives": "knife",
    "sheep": "sheep",
}


@dataclass(frozen=True)
class Matched:
    """What a detector with a closed vocabulary should look for."""

    classes: frozenset[int]
    """Indices into the vocabulary."""
    unknown: tuple[str, ...]
    """The phrases that no class fits, as written."""


def match(text: str, names: Sequence[str]) -> Matched:
    """The classes that fit any of the phrases separated by " . "; names are like "red cube" or "traffic light".

    A phrase fits a class when its noun is the class's last word, or means anything, and each of its other
    words is one of the class's describing words.
    """
    classes: set[int] = set()
    unknown: list[str] = []
    for phrase in split(text):
        found = {index for index, name in enumerate(names) if _fits(_words(phrase), name)}
        classes |= found
        if not found:
            unknown.append(phrase)
    return Matched(frozenset(classes), tuple(unknown))


def split(text: str) -> tuple[str, ...]:
    """The phrases of a text, without empty ones."""
    parts = (part.strip(" .,") for part in re.split(r"\s+\.(?:\s+|$)", text))
    return tuple(part for part in parts if part)


def _fits(words: Sequence[str], name: str) -> bool:
    named = [_singular(word) for word in name.lower().split()]
    if not words or (words[-1] not in named[-1:] and words[-1] not in ANYTHING):
        return False
    return all(word in named[:-1] for word in words[:-1])


def _words(phrase: str) -> list[str]:
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", phrase.lower())
    return [_singular(word) for word in words if word not in ARTICLES]


def _singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if re.search(r"(?:ss|sh|ch|x|z)es$", word):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us")):
        return word[:-1]
    return word
