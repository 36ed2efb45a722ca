"""Which classes a phrase means."""

import pytest

from foveal.agent.phrases import match, split

NAMES = ["red cube", "blue cube", "red sphere", "white pyramid", "black sign"]
COCO = ["person", "traffic light", "bus", "knife"]

ROWS: list[tuple[str, set[str], tuple[str, ...]]] = [
    ("red cube", {"red cube"}, ()),
    ("Red Cubes", {"red cube"}, ()),
    ("the red cube.", {"red cube"}, ()),
    ("cubes", {"red cube", "blue cube"}, ()),
    ("a red thing", {"red cube", "red sphere"}, ()),
    ("red objects", {"red cube", "red sphere"}, ()),
    ("white solids", {"white pyramid"}, ()),
    ("things", set(NAMES), ()),
    ("all objects", set(NAMES), ()),
    ("red cube . sign", {"red cube", "black sign"}, ()),
    ("red cube . red cubes .", {"red cube"}, ()),
    ("dog", set(), ("dog",)),
    ("green cube", set(), ("green cube",)),  # a word that no such class has
    ("small red cube", set(), ("small red cube",)),
    ("red", set(), ("red",)),  # no noun
    ("cube red", set(), ("cube red",)),
    ("dog . blue cube . the cat", {"blue cube"}, ("dog", "the cat")),
    ("the", set(), ("the",)),
    ("!?", set(), ("!?",)),
    (" . . ", set(), ()),
]


@pytest.mark.parametrize(("phrase", "found", "unknown"), ROWS)
def test_phrases(phrase: str, found: set[str], unknown: tuple[str, ...]) -> None:
    matched = match(phrase, NAMES)
    assert {NAMES[index] for index in matched.classes} == found
    assert matched.unknown == unknown


@pytest.mark.parametrize(
    ("phrase", "found"),
    [("people", "person"), ("lights", "traffic light"), ("buses", "bus"), ("Knives", "knife")],
)
def test_other_vocabularies(phrase: str, found: str) -> None:
    assert [COCO[index] for index in match(phrase, COCO).classes] == [found]


def test_a_dot_inside_a_word_splits_nothing() -> None:
    assert split("a no. 5 sign . x") == ("a no. 5 sign", "x")
