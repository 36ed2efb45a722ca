"""Ten thousand outputs that nobody asked for: each becomes actions, an answer, or an error that can be told.

The examples are the same on every machine. What once went wrong is kept in `tests/data/fuzz`, and tried first.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from foveal.agent.actions import PERCEPTIONS, Answer
from foveal.agent.calls import action_of
from foveal.agent.errors import ActionError
from foveal.agent.grammar import parse, render

TEXTS, CALLS = 6_000, 4_000
LONGEST = 1_000
"""Characters of an error; a model's own words are quoted in part."""


def must_be_tellable(error: ActionError) -> None:
    """Into a context, a trace and a terminal."""
    told = str(error)
    assert told.strip()
    assert len(told) <= LONGEST
    assert told.encode("utf-8").decode("utf-8") == told


def read_text(text: str, wild: Any) -> None:
    """A turn of text, as models with perception tokens and without them are read."""
    for places in ((), *([one.target for one in frame.each] for frame in wild.FRAMES)):
        try:
            actions = parse(text, *places)
        except ActionError as error:
            must_be_tellable(error)
            continue
        assert actions
        if isinstance(actions[0], Answer):
            assert len(actions) == 1
        told = "".join(map(render, actions))
        assert told.encode("utf-8").decode("utf-8") == told


def read_call(name: str, arguments: Any, wild: Any) -> None:
    """A tool call in every convention, with and without objects found before."""
    for frame in wild.FRAMES:
        for found in ((), (1, 2)):
            try:
                shown, *more = (one.shown for one in frame.each)
                action = action_of(name, arguments, frame.convention, shown, found, more)
            except ActionError as error:
                must_be_tellable(error)
                continue
            assert action.kind in PERCEPTIONS
            assert action.kind == name


def test_texts_that_once_went_wrong(wild: Any) -> None:
    known = wild.corpus("turns")
    assert known
    for output in known:
        read_text(output["text"], wild)


def test_calls_that_once_went_wrong(wild: Any) -> None:
    known = wild.corpus("calls")
    assert known
    for output in known:
        for name, arguments in output["calls"]:
            read_call(name, arguments, wild)


CALM = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
def test_any_text(wild: Any) -> None:
    tried = 0

    @settings(CALM, max_examples=TEXTS)
    @given(wild.TURNS)
    def try_one(text: str) -> None:
        nonlocal tried
        tried += 1
        read_text(text, wild)

    try_one()
    assert tried >= TEXTS


@pytest.mark.slow
def test_any_call(wild: Any) -> None:
    tried = 0

    @settings(CALM, max_examples=CALLS)
    @given(wild.CALLS)
    def try_one(call: tuple[str, Any]) -> None:
        nonlocal tried
        tried += 1
        read_call(*call, wild)

    try_one()
    assert tried >= CALLS
