"""Every family is asked in many ways, in any case, with and without articles."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from foveal.evals import phrasings as p
from foveal.evals.phrasings import article, cased, plural, singular, word
from foveal.evals.questions import FAMILIES

WORDINGS: dict[str, tuple[str, ...]] = {
    "count": p.COUNT,
    "exist": p.EXIST,
    "colour": p.COLOUR,
    "shape": p.SHAPE,
    "material": p.MATERIAL,
    "texture": p.TEXTURE,
    "read": p.READ,
    "nearer": p.NEARER,
    "side": p.SIDE + p.LEFTMOST + p.RIGHTMOST,
    "above": p.LEVEL + p.HIGHER + p.LOWER,
    "larger": p.LARGER,
    "size": p.TRULY_LARGER,
    "more": p.MORE + p.FEWER,
    "same": p.SAME_COLOUR,
    "hop": p.HOP_READ,
    "symbol": p.SYMBOL,
    "dial": p.DIAL,
    "tiny": p.COLOUR,
}


def rngs(count: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng(seed) for seed in range(count))


def test_every_family_has_eight_wordings() -> None:
    assert tuple(WORDINGS) == FAMILIES
    for wordings in WORDINGS.values():
        assert len(set(wordings)) == len(wordings) >= 8


@pytest.mark.parametrize("family", FAMILIES)
def test_wordings_come_in_every_case_with_and_without_articles(family: str) -> None:
    names = {"one": "orange cube", "a": "red cube", "b": "blue cone"}
    names |= {"many": "red cubes", "few": "blue cones"}
    made = [word(WORDINGS[family], rng, **names) for rng in rngs(300)]
    assert any(text.isupper() for text in made)
    assert any(text[0].islower() for text in made)
    assert any(text[0].isupper() and not text.istitle() for text in made)
    assert {text[-1] in "?." for text in made} == {True, False}
    if family not in ("count", "more"):
        assert {bool(re.search(r"\b(?:the|an) (?:orange|red)", t.lower())) for t in made} == {
            True,
            False,
        }


def test_every_template_can_be_filled() -> None:
    for name, templates in vars(p).items():
        if name.isupper() and isinstance(templates, tuple):
            for template in templates:
                names = {
                    "one": "red cube",
                    "a": "red cube",
                    "b": "sign",
                    "many": "cubes",
                    "few": "signs",
                }
                assert "{" not in word((template,), np.random.default_rng(0), **names)


def test_case_and_marks_are_all_that_changes() -> None:
    for rng in rngs(50):
        text = cased("What does the sign say?", rng)
        assert text.lower().rstrip("?") == "what does the sign say"


def test_plural_singular_and_article() -> None:
    assert plural("red cube") == "red cubes"
    assert singular("red cubes") == "red cube"
    assert singular(plural("orange thing")) == "orange thing"
    assert singular("cone") == "cone"
    assert article("orange cube") == "an"
    assert article("cube") == "a"
