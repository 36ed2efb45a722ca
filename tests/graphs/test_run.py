"""One run, seen from outside: what goes in, what comes back, what is told on the way."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError, SpecialistError
from foveal.agent.observations import Detected, Failed, Looked
from foveal.agent.transcript import Noted
from foveal.graphs.budgets import Budgets
from foveal.graphs.run import run
from foveal.graphs.trace import read

RED = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
READ = "<|read_start|><|read_end|>"
LOOK_1 = "<|look_start|><|obj_1|><|look_end|>"
STRAY = "<|region_token_end|>"


async def test_an_answer_with_what_it_rests_on(parts: Any, picture: Any) -> None:
    result = await run("How many red squares?", picture, parts(RED, "2"))
    assert (result.answer, result.confidence, result.ended_by) == ("2", 0.9, "answer")
    assert [piece.box for piece in result.evidence] == [(8, 8, 24, 24), (40, 8, 60, 28)]
    (hop,) = result.hops
    assert (hop.turn, hop.specialist, hop.repeated) == (1, "detector", False)
    assert (result.usage.hops, result.usage.actions) == (1, 1)
    assert result.notes == ()


async def test_events_tell_the_run_in_order(parts: Any, picture: Any) -> None:
    events: list[Any] = []
    result = await run("How many?", picture, parts(RED, "2"), events.append)
    assert [event.kind for event in events] == [
        "started", "said", "thought", "called", "returned", "said", "thought", "finished",
    ]  # fmt: skip
    assert events[0].asked.size == (96, 64)
    assert events[-1].result == result


async def test_actions_of_one_turn_run_at_the_same_time(
    parts: Any, painter: Any, picture: Any
) -> None:
    meeting = asyncio.Barrier(3)
    painter.before = lambda action: meeting.wait()  # passes only when all three have started
    result = await run("?", picture, parts(RED + BLUE + READ, "yes"))
    assert [hop.specialist for hop in result.hops] == ["detector", "detector", "reader"]


async def test_answers_keep_the_order_of_the_actions(
    parts: Any, painter: Any, picture: Any
) -> None:
    blue_is_done = asyncio.Event()

    async def red_waits(action: Any) -> None:
        if action.phrase == "red":
            await blue_is_done.wait()
        else:
            blue_is_done.set()

    painter.before = red_waits
    result = await run("?", picture, parts(RED + BLUE, "3"))
    red, blue = (hop.observation for hop in result.hops)
    assert isinstance(red, Detected)
    assert isinstance(blue, Detected)
    assert [found.index for found in red.objects + blue.objects] == [1, 2, 3]


async def test_an_object_found_earlier_can_be_looked_at(parts: Any, picture: Any) -> None:
    result = await run("?", picture, parts(RED, LOOK_1, "red"))
    seen = result.hops[1].observation
    assert isinstance(seen, Looked)
    assert (seen.index, seen.views[0].source.xyxy) == (1, (8, 8, 24, 24))


@pytest.mark.parametrize("script", [(LOOK_1, "?"), (RED + LOOK_1, "?")], ids=["never", "too early"])
async def test_an_unknown_object_is_told_to_the_model(
    script: tuple[str, ...], parts: Any, painter: Any, picture: Any
) -> None:
    result = await run("?", picture, parts(*script))
    refused = result.hops[-1]
    assert isinstance(refused.observation, Failed)
    assert refused.observation.error == "action"
    assert "no object 1" in refused.observation.message
    assert refused.specialist is None
    assert all(action.kind != "look" for action in painter.calls)
    assert result.answer == "?"


async def test_a_malformed_turn_is_told_to_the_model_which_goes_on(
    parts: Any, picture: Any
) -> None:
    needed = parts(STRAY, RED, "2")
    result = await run("How many?", picture, needed)
    assert result.answer == "2"
    assert result.usage.hops == 2
    assert len(result.notes) == 1
    assert result.notes[0].startswith("turn 1 could not be read")
    (session,) = needed.model.sessions
    assert isinstance(session.heard[1], Noted)  # right after the question: it was told


async def test_a_model_that_only_writes_rubbish_ends_without_an_answer(
    parts: Any, picture: Any
) -> None:
    needed = parts(*[STRAY] * 4, budgets=Budgets(hops=3))
    result = await run("?", picture, needed)
    assert (result.answer, result.confidence, result.ended_by) == ("", 0.0, "hops")
    assert "no answer: the last turn could not be read" in result.notes


@pytest.mark.parametrize(
    ("last", "why"),
    [(" ", "the model's last turn was empty"), (RED, "asked for another action in its last turn")],
    ids=["empty", "still acting"],
)
async def test_a_forced_turn_without_an_answer(
    last: str, why: str, parts: Any, picture: Any
) -> None:
    result = await run("?", picture, parts(RED, last, budgets=Budgets(hops=1)))
    assert (result.answer, result.confidence, result.ended_by) == ("", 0.0, "hops")
    assert result.notes[-1].endswith(why)


async def test_a_specialist_that_fails_is_told_to_the_model(
    parts: Any, painter: Any, picture: Any
) -> None:
    async def fail(action: Any) -> None:
        raise SpecialistError("detector", "out of memory")

    painter.before = fail
    result = await run("?", picture, parts(RED, RED, "unsure"))
    assert result.hops[0].observation == Failed(
        error="specialist", message="detector failed: out of memory"
    )
    assert result.answer == "unsure"
    assert result.notes == ("detector failed: out of memory",)
    assert len(painter.calls) == 1  # asked again, it is not tried again


async def test_any_other_exception_is_a_bug_and_propagates(
    parts: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    async def break_down(action: Any) -> None:
        raise ZeroDivisionError("a bug")

    painter.before = break_down
    needed = parts(RED, "2", trace_dir=tmp_path)
    with pytest.raises(ZeroDivisionError):
        await run("?", picture, needed)
    assert needed.model.sessions[0].closed == 1
    (trace,) = tmp_path.iterdir()
    last = read(trace)[-1]
    assert last.kind == "broke"
    assert last.error == "ZeroDivisionError: a bug"


@pytest.mark.parametrize("reasons", [(), (object(),)], ids=["no message", "an object"])
async def test_a_trace_names_no_object_by_its_address(
    reasons: Any, parts: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    running: asyncio.Task[Any]

    async def cancel(action: Any) -> None:
        running.cancel(*reasons)

    painter.before = cancel
    running = asyncio.create_task(run("?", picture, parts(RED, "2", trace_dir=tmp_path)))
    with pytest.raises(asyncio.CancelledError):
        await running
    (trace,) = tmp_path.iterdir()
    last = read(trace)[-1]
    assert last.kind == "broke"
    assert last.error == "CancelledError"


async def test_a_repeated_action_is_answered_from_memory(
    parts: Any, painter: Any, picture: Any
) -> None:
    result = await run("?", picture, parts(RED, RED + LOOK_1, LOOK_1, "2"))
    assert [action.kind for action in painter.calls] == ["detect", "look"]
    assert [hop.repeated for hop in result.hops] == [False, True, False, True]
    assert result.hops[0].observation == result.hops[1].observation
    assert (result.usage.actions, result.usage.repeated) == (4, 2)
    assert len(result.evidence) == 1  # object 1, found twice and looked at twice


async def test_the_same_action_twice_in_one_turn_is_dispatched_once(
    parts: Any, painter: Any, picture: Any
) -> None:
    result = await run("?", picture, parts(RED + RED, "2"))
    assert len(painter.calls) == 1
    assert [hop.repeated for hop in result.hops] == [False, True]
    assert result.hops[0].observation == result.hops[1].observation


async def test_a_tool_that_was_not_given_cannot_be_used(
    parts: Any, painter: Any, picture: Any
) -> None:
    needed = parts(RED, READ, "2", tools=("read",))
    result = await run("?", picture, needed)
    refused = result.hops[0].observation
    assert isinstance(refused, Failed)
    assert refused.message == "detect cannot be used in this run; tools: read"
    assert [action.kind for action in painter.calls] == ["read"]
    assert needed.model.sessions[0].allowed == [("read",)] * 3


async def test_without_tools_the_model_just_answers(parts: Any, picture: Any) -> None:
    needed = parts("2", tools=())
    result = await run("?", picture, needed)
    assert (result.answer, result.ended_by, result.hops) == ("2", "answer", ())
    assert needed.model.sessions[0].allowed == [()]


async def test_an_unknown_class_is_noted_with_the_profile(parts: Any, picture: Any) -> None:
    result = await run("?", picture, parts("<|detect_start|>dog<|detect_end|>", "none"))
    (note,) = result.notes
    assert note == (
        "the detector of profile 'embedded' has no class for 'dog'; use a profile whose detector has one"
    )


@pytest.mark.parametrize("question", ["", "  \n"])
async def test_an_empty_question_leaves_nothing_behind(
    question: str, parts: Any, picture: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "traces"
    with pytest.raises(InputError, match="question is empty"):
        await run(question, picture, parts("2", trace_dir=folder))
    assert not folder.exists()


async def test_sessions_are_closed_and_images_let_go(parts: Any, store: Any, picture: Any) -> None:
    needed = parts(RED, "2")
    result = await run("?", picture, needed)
    assert needed.model.sessions[0].closed == 1
    store.budget = 0  # full: what nobody holds goes
    store.put_array(picture[:1])
    assert result.image not in store


async def test_a_trace_is_written_as_things_happen(
    parts: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    lines: list[int] = []

    async def count(action: Any) -> None:
        (path,) = tmp_path.iterdir()
        lines.append(len(path.read_text().splitlines()))

    painter.before = count
    result = await run("?", picture, parts(RED, "2", trace_dir=tmp_path))
    assert lines == [3]  # started, thought, called
    assert result.trace == str(tmp_path / f"{result.run}.jsonl")
    kinds = [json.loads(line)["kind"] for line in Path(result.trace).read_text().splitlines()]
    assert kinds == ["started", "thought", "called", "returned", "thought", "finished"]
