"""A run ends in an answer: what is wrong is told, counted, bounded; what must fit a schema is repaired once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from foveal.agent.observations import Failed
from foveal.agent.structured import told
from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.budgets import Budgets
from foveal.graphs.nodes import EMPTY, LAST_CALL
from foveal.graphs.perceiving import ASKED_BEFORE
from foveal.graphs.replay import replay
from foveal.graphs.run import Parts, run
from foveal.graphs.schema import schema_of

RED = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
LOOK_9 = "<|look_start|><|obj_9|><|look_end|>"
STRAY = "<|region_token_end|>"
Made = Callable[..., Any]


class Scene(BaseModel):
    colour: str
    count: int

    @field_validator("count")
    @classmethod
    def _some(cls, count: int) -> int:
        if not count:
            raise ValueError("there is something")
        return count


SCENE = schema_of(Scene)
GOOD, NONE, CUT = '{"colour": "red", "count": 2}', '{"colour": "red", "count": 0}', '{"colour": "re'


@pytest.mark.parametrize(
    ("turns", "errors"),
    [
        ([RED] * 9, 0),
        ([LOOK_9] * 9, 3),
        ([STRAY] * 9, 3),
        ([""] * 9, 3),
        ([LOOK_9, STRAY, ""] * 3, 3),
    ],
    ids=["the same call", "an unknown object", "rubbish", "nothing", "all of it"],
)
async def test_a_model_that_goes_nowhere_is_made_to_answer(
    turns: Any, errors: int, parts: Made, picture: Any
) -> None:
    fresh = turns[0] == RED
    needed = parts(*turns[: 3 + fresh], "2")
    result = await run("How many?", picture, needed)
    assert (result.answer, result.ended_by) == ("2", "errors")
    assert (result.usage.errors, result.usage.repeated) == (errors, 3 if fresh else 0)
    (session,) = needed.model.sessions
    assert session.allowed[-1] == ()
    assert session.heard[-2] == LAST_CALL


async def test_whatever_is_new_lets_it_go_on(parts: Made, picture: Any) -> None:
    script = (STRAY, "", RED, RED, STRAY, BLUE, LOOK_9, "", "3")
    needed = parts(*script, budgets=Budgets(hops=20))
    result = await run("?", picture, needed)
    assert (result.answer, result.ended_by) == ("3", "answer")
    assert (result.usage.errors, result.usage.repeated, result.usage.hops) == (5, 1, 8)


async def test_how_many_errors_are_too_many_is_a_budget(parts: Made, picture: Any) -> None:
    result = await run("?", picture, parts(STRAY, "2", budgets=Budgets(errors=1)))
    assert (result.answer, result.ended_by) == ("2", "errors")


async def test_what_is_wrong_is_told_as_an_error(parts: Made, picture: Any) -> None:
    needed = parts(STRAY, "", RED, RED, "2")
    await run("?", picture, needed)
    heard = needed.model.sessions[0].heard
    stray, empty = heard[1], heard[3]
    assert isinstance(stray, Noted)
    assert stray.error
    assert "stands outside an action" in stray.text
    assert empty == Noted(text=EMPTY, error=True)
    assert [type(item) for item in heard[4:]] == [Acted, Observed, Acted, Observed, Noted, Acted]
    assert heard[-2] == ASKED_BEFORE


async def test_actions_past_the_budget_are_no_errors(parts: Made, picture: Any) -> None:
    result = await run("?", picture, parts(RED + BLUE, "2", budgets=Budgets(actions=1)))
    assert isinstance(result.hops[1].observation, Failed)
    assert result.usage.errors == 0


async def test_an_answer_that_fits_needs_no_more(parts: Made, picture: Any) -> None:
    needed = parts(RED, GOOD)
    result = await run("?", picture, needed, schema=SCENE)
    assert result.value == Scene(colour="red", count=2)
    assert (result.answer, result.usage.errors, result.notes) == (GOOD, 0, ())
    asked = needed.model.opened[0][0]
    assert isinstance(asked, Asked)
    assert asked.answer_schema == SCENE.text


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("two red ones", "the answer does not fit the schema: Invalid JSON"),
        (NONE, "the answer does not fit the schema: count: Value error, there is something"),
    ],
)
async def test_one_that_does_not_is_repaired_once(
    structured: bool, first: str, reason: str, reciter: Any, painter: Any, picture: Any
) -> None:
    model = reciter(RED, first, GOOD, structured=structured)
    result = await run("?", picture, Parts(model, painter, painter.store), schema=SCENE)
    assert (result.value, result.answer) == (Scene(colour="red", count=2), GOOD)
    assert (result.usage.errors, result.usage.hops, result.ended_by) == (1, 1, "answer")
    (session,) = model.sessions
    note = session.heard[-2]
    assert isinstance(note, Noted)
    assert note.error
    assert note.text.startswith(reason)
    assert note.text.endswith(told(SCENE.text))
    if structured:
        assert session.held_to == [SCENE.json]
    else:
        assert session.allowed[-1] == ()


@pytest.mark.parametrize(
    ("last", "answer", "why"),
    [
        (CUT, CUT, "Invalid JSON: EOF"),
        (NONE, NONE, "count: Value error"),
        ("", "two", "Invalid JSON: expected"),
        (STRAY, "two", "Invalid JSON: expected"),
        (BLUE, "two", "Invalid JSON: expected"),
    ],
)
async def test_what_does_not_fit_then_is_told_with_the_raw_text(
    last: str, answer: str, why: str, parts: Made, painter: Any, picture: Any
) -> None:
    result = await run("?", picture, parts(RED, "two", last), schema=SCENE)
    assert (result.value, result.answer, result.confidence) == (None, answer, 0.9)
    assert result.notes[-1].startswith(f"the answer does not fit the schema: {why}")
    assert len(painter.calls) == 1


async def test_without_any_answer_there_is_no_raw_text(parts: Made, picture: Any) -> None:
    needed = parts(RED, STRAY, STRAY, budgets=Budgets(hops=1))
    result = await run("?", picture, needed, schema=SCENE)
    assert (result.value, result.answer, result.confidence) == (None, "", 0.0)
    assert result.notes[-1] == "no answer: the last turn could not be read"


async def test_a_last_turn_without_an_answer_is_repaired_too(parts: Made, picture: Any) -> None:
    needed = parts(RED, STRAY, GOOD, budgets=Budgets(hops=1))
    result = await run("?", picture, needed, schema=SCENE)
    assert (result.value, result.ended_by) == (Scene(colour="red", count=2), "hops")


async def test_a_model_that_knows_no_json_is_not_made_to_write_any(
    reciter: Any, painter: Any, picture: Any
) -> None:
    model = reciter("two red ones", instructed=False, structured=True)
    result = await run("?", picture, Parts(model, painter, painter.store), schema=SCENE)
    assert (result.value, result.answer) == (None, "two red ones")
    assert "can only fill a schema with one field" in result.notes[-1]


async def test_its_answer_fills_the_only_field(reciter: Any, painter: Any, picture: Any) -> None:
    model = reciter(RED, "2", instructed=False)
    result = await run("?", picture, Parts(model, painter, painter.store), schema=schema_of(int))
    assert (result.value, result.usage.errors) == (2, 0)


async def test_text_cut_off_by_the_token_budget_is_not_held_against_the_schema(
    parts: Made, picture: Any
) -> None:
    needed = parts("Let me think about it.", GOOD, budgets=Budgets(new_tokens=9))
    result = await run("?", picture, needed, schema=SCENE)
    assert (result.value, result.ended_by) == (Scene(colour="red", count=2), "new_tokens")
    assert result.usage.errors == 0


@pytest.mark.parametrize(
    "script",
    [(RED, GOOD), (RED, NONE, GOOD), (RED, NONE, NONE), (RED, "two", CUT), ("x", STRAY)],
    ids=["fits", "repaired", "never fits", "cut off", "rubbish"],
)
@pytest.mark.parametrize("instructed", [True, False])
async def test_replayed_it_fits_or_does_not_as_it_did(
    script: Any, instructed: bool, reciter: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    """The class asks for more than its JSON schema says, and the trace holds no class."""
    model = reciter(*script, instructed=instructed)
    needed = Parts(model, painter, painter.store, trace_dir=tmp_path)
    first = await run("?", picture, needed, schema=SCENE)
    again = await replay(str(first.trace), picture)
    assert (again.answer, again.notes, again.usage) == (first.answer, first.notes, again.usage)
    assert again.value == (None if first.value is None else first.value.model_dump())
    assert again.usage.errors == first.usage.errors
