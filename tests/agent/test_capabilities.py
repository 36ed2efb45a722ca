"""What a model is told that it can do: all of it can be done, and nothing that is not allowed is mentioned."""

import re

import pytest

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.agent.capabilities import CAPABILITIES, manual
from foveal.agent.coordinates import Convention, Frame
from foveal.agent.grammar import parse

ACTION = re.compile(r"<\|\w+_start\|>.*?<\|\w+_end\|>")


def frame(convention: Convention) -> Frame:
    return Frame(convention, (640, 480), (644, 476))


@pytest.mark.parametrize("convention", ["thousand", "pixels", "grid"])
@pytest.mark.parametrize("kind", PERCEPTIONS)
def test_every_example_is_an_action_of_its_kind(
    kind: PerceptionKind, convention: Convention
) -> None:
    place = frame(convention)
    examples = ACTION.findall(manual([kind], place))
    assert len(examples) == len(CAPABILITIES[kind].examples)
    for example in examples:
        (action,) = parse(example, place.target)
        assert action.kind == kind


def test_only_what_is_allowed_is_mentioned() -> None:
    words = manual(["detect", "read"], frame("pixels"))
    assert [line.split(":")[0] for line in words.splitlines() if line.startswith("- ")] == [
        "- detect",
        "- read",
    ]
    assert "look_start" not in words
    assert "x from 0 (left) to 644, y from 0 (top) to 476" in words


def test_without_tools_the_model_is_only_told_to_answer() -> None:
    words = manual([], frame("grid"))
    assert len(words.splitlines()) == 1
    assert "<|" not in words
    assert "look" not in words


def test_a_model_that_calls_tools_is_not_taught_the_spelling() -> None:
    words = manual(PERCEPTIONS, frame("grid"), spelled=False)
    assert "<|" not in words
    assert all(f"- {kind}: " in words for kind in PERCEPTIONS)
