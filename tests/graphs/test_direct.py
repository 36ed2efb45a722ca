"""The gate leaves easy questions alone and changes nothing else; a verification compares with not looking."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from foveal.agent.errors import SpecialistError
from foveal.graphs.direct import NO_CONFIDENCE, UNVERIFIED
from foveal.graphs.replay import replay
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, run
from foveal.graphs.schema import schema_of
from foveal.graphs.trace import read

RED = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
STRAY = "<|region_token_end|>"
Made = Callable[..., Any]


class Count(BaseModel):
    count: int


@pytest.fixture
def with_direct(reciter: Any, painter: Any) -> Made:
    """Everything a run needs: the model's turns, and in `direct` those without tools."""

    def make(*turns: str, direct: Any, sure: float | None = 0.95, **options: Any) -> Parts:
        kinds = ("structured", "instructed", "confidence")
        kept = {name: options.pop(name) for name in kinds if name in options}
        model = reciter(*turns, direct=direct, direct_confidence=sure, **kept)
        return Parts(model, painter, painter.store, **options)

    return make


def _told(result: Result) -> Any:
    """What a gate that does not hold must not change: everything but cost and identity."""
    hops = [hop.model_copy(update={"seconds": 0.0}) for hop in result.hops]
    rest = ("answer", "confidence", "evidence", "ended_by", "notes", "value", "image")
    return hops, [getattr(result, name) for name in rest]


async def test_a_sure_answer_stands_and_nothing_is_looked_at(
    with_direct: Made, painter: Any, picture: Any
) -> None:
    needed = with_direct(RED, "2", direct=["two"], gate=0.9)
    events: list[Any] = []
    result = await run("How many?", picture, needed, events.append)
    assert (result.answer, result.confidence, result.ended_by) == ("two", 0.95, "gate")
    assert (result.hops, painter.calls, result.notes) == ((), [], ())
    assert [event.kind for event in events] == ["started", "aside", "said", "direct", "finished"]
    assert (events[2].text, events[3].stands, events[3].purpose) == ("two", True, "gate")
    assert result.direct is not None
    assert result.direct.usage.emitted == result.usage.emitted == 3


@pytest.mark.parametrize("sure", [0.9, 0.95])
async def test_a_gate_is_passed_by_being_as_sure(
    sure: float, with_direct: Made, picture: Any
) -> None:
    result = await run("?", picture, with_direct(direct=["two"], sure=sure, gate=0.9))
    assert result.ended_by == "gate"


@pytest.mark.parametrize(
    ("direct", "sure"),
    [
        (["three"], 0.89),
        (["unknown"], 1.0),
        (["I don't know."], 1.0),
        ([STRAY, STRAY, STRAY, STRAY], 1.0),
        (["", " ", "", ""], 1.0),
        ([RED, "", "", ""], 1.0),
    ],
    ids=["unsure", "unknown", "in other words", "rubbish", "empty", "looks all the same"],
)
async def test_otherwise_the_run_is_the_one_without_a_gate(
    direct: Any, sure: float, with_direct: Made, parts: Made, picture: Any
) -> None:
    needed = with_direct(RED, BLUE, "3", direct=direct, sure=sure, gate=0.9)
    gated, plain = await run("?", picture, needed), parts(RED, BLUE, "3")
    ungated = await run("?", picture, plain)
    assert _told(gated) == _told(ungated)
    assert needed.model.sessions[-1].heard == plain.model.sessions[0].heard
    assert [session.closed for session in needed.model.sessions] == [1, 1]
    assert gated.direct is not None
    cost = gated.direct.usage
    assert gated.usage.emitted == ungated.usage.emitted + cost.emitted
    assert gated.usage.prefilled == ungated.usage.prefilled + cost.prefilled
    assert gated.usage.hops == ungated.usage.hops


async def test_the_answer_at_the_gate_is_the_one_without_tools(
    with_direct: Made, parts: Made, picture: Any
) -> None:
    needed = with_direct(direct=["two"], sure=0.9, gate=0.9)
    gated, plain = await run("?", picture, needed), parts("two", tools=())
    without = await run("?", picture, plain)
    assert (gated.answer, gated.confidence) == (without.answer, without.confidence)
    assert needed.model.sessions[0].heard == plain.model.sessions[0].heard


async def test_a_gate_of_nothing_lets_every_answer_pass_but_none(
    with_direct: Made, picture: Any
) -> None:
    result = await run("?", picture, with_direct("2", direct=["two"], sure=0.0, gate=0.0))
    assert (result.answer, result.ended_by) == ("two", "gate")


async def test_a_model_without_confidence_is_never_stopped_at_the_gate(
    with_direct: Made, picture: Any
) -> None:
    needed = with_direct(RED, "2", direct=["two"], sure=None, gate=0.1)
    result = await run("?", picture, needed)
    assert (result.answer, result.ended_by, len(result.hops)) == ("2", "answer", 1)
    assert result.notes == (NO_CONFIDENCE,)


async def test_without_tools_there_is_no_gate(with_direct: Made, picture: Any) -> None:
    needed = with_direct(direct=["two"], sure=0.0, gate=0.9, tools=())
    result = await run("?", picture, needed)
    assert (result.answer, result.direct, len(needed.model.sessions)) == ("two", None, 1)


@pytest.mark.parametrize(
    ("without", "depends"),
    [("3", True), ("2", False), (" 2.", False), ("unknown", True), (STRAY, True)],
)
async def test_an_answer_depends_on_what_was_seen_when_it_changes_without(
    without: str, depends: bool, with_direct: Made, painter: Any, picture: Any
) -> None:
    needed = with_direct(RED, "2", direct=[without] * 4, sure=0.4)
    events: list[Any] = []
    result = await run("How many?", picture, needed, events.append, verify=True)
    assert (result.answer, result.confidence, result.ended_by) == ("2", 0.9, "answer")
    assert result.faithful is not None
    assert result.faithful.depends is depends
    assert (result.faithful.answer, result.faithful.confidence) == ("2", 0.9)
    told = (result.faithful.without, result.faithful.confidence_without)
    assert told == (("", 0.0) if without == STRAY else (without.strip(), 0.4))
    assert len(painter.calls) == 1
    assert [event.kind for event in events][-3:] == ["aside", "direct", "finished"]
    assert result.direct is not None
    assert result.usage.emitted == len(RED) + 1 + result.direct.usage.emitted


async def test_the_answer_at_the_gate_serves_to_verify(with_direct: Made, picture: Any) -> None:
    needed = with_direct(RED, "2", direct=["3"], sure=0.4, gate=0.9)
    result = await run("?", picture, needed, verify=True)
    assert result.faithful is not None
    assert (result.faithful.without, len(needed.model.sessions)) == ("3", 2)


async def _fail(action: Any) -> None:
    raise SpecialistError("detector", "out of memory")


@pytest.mark.parametrize(
    ("script", "options", "fails"),
    [
        (("2",), {}, False),
        ((RED, STRAY, STRAY, STRAY, STRAY), {}, False),
        ((RED, "2"), {}, True),
        (("2",), {"tools": ()}, False),
        ((), {"gate": 0.5}, False),
    ],
    ids=["did not look", "no answer", "saw nothing", "no tools", "the gate"],
)
async def test_where_nothing_was_seen_there_is_nothing_to_verify(
    script: Any, options: Any, fails: bool, with_direct: Made, painter: Any, picture: Any
) -> None:
    painter.before = _fail if fails else None
    needed = with_direct(*script, direct=["2"], **options)
    result = await run("?", picture, needed, verify=True)
    assert result.faithful is None
    assert result.notes[-1] == UNVERIFIED
    assert len(needed.model.sessions) == 1


async def test_values_are_compared_where_there_is_a_schema(with_direct: Made, picture: Any) -> None:
    needed = with_direct(RED, '{"count": 2}', direct=['{ "count":2 }'])
    result = await run("?", picture, needed, schema=schema_of(Count), verify=True)
    assert result.value == Count(count=2)
    assert result.faithful is not None
    assert not result.faithful.depends


@pytest.mark.parametrize(
    ("script", "direct", "options"),
    [
        ((RED, "2"), ["two"], {"gate": 0.9}),
        ((RED, "2"), ["two"], {"gate": 0.99}),
        ((RED, "2"), [STRAY, "two"], {"gate": 0.9}),
        ((RED, "2"), [STRAY, "two"], {"gate": 0.99}),
        ((RED, STRAY, BLUE, "2"), ["3"], {}),
        ((RED, "2"), [STRAY, STRAY, "", "two"], {}),
        (("2",), ["3"], {"tools": ()}),
        ((RED, "2"), ["two"], {"gate": 0.9, "sure": None}),
    ],
    ids=[
        "stands", "does not", "rubbish, then sure", "rubbish, then unsure", "verified",
        "verified by rubbish", "no tools", "no confidence",
    ],
)  # fmt: skip
async def test_replayed_it_is_the_same(
    script: Any, direct: Any, options: Any, with_direct: Made, picture: Any, tmp_path: Path
) -> None:
    needed = with_direct(*script, direct=direct, trace_dir=tmp_path, **options)
    first = await run("?", picture, needed, verify=True)
    again = await replay(str(first.trace), picture)
    assert _told(again) == _told(first)
    assert again.faithful == first.faithful
    assert (again.direct is None) == (first.direct is None)
    if again.direct is not None and first.direct is not None:
        assert (again.direct.answer, again.usage.emitted) == (
            first.direct.answer,
            first.usage.emitted,
        )


async def test_a_trace_holds_the_turns_beside_the_run(
    with_direct: Made, picture: Any, tmp_path: Path
) -> None:
    needed = with_direct(RED, "2", direct=[STRAY, "3"], sure=0.4, gate=0.9, trace_dir=tmp_path)
    result = await run("?", picture, needed)
    (aside,) = [event for event in read(str(result.trace)) if event.kind == "direct"]
    assert [thought.acted.text for thought in aside.thoughts] == [STRAY, "3"]
    assert not aside.stands
