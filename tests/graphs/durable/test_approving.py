"""A person between the model and a specialist: what waits, and what accepting, editing and rejecting do."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from foveal.agent.actions import PERCEPTIONS, Area, Detect, Look, Region
from foveal.agent.errors import InputError
from foveal.agent.observations import Failed
from foveal.agent.transcript import Asked
from foveal.graphs.agent import Agent
from foveal.graphs.approval import ApprovalNeeded, Decision, approvals, outcome_of
from foveal.graphs.budgets import Budgets
from foveal.graphs.build import build
from foveal.graphs.context import Context
from foveal.graphs.replay import replay
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Request
from foveal.graphs.trace import read

FIND = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
LOOK = "<|look_start|><|obj_2|><|look_end|>"
SCRIPT = (FIND, LOOK, "2")
Make = Callable[..., Agent]


@pytest.fixture
def waiting(agent: Make, picture_file: Path) -> Callable[..., tuple[Agent, ApprovalNeeded]]:
    """An agent that was asked, and what its run waits for."""

    def ask(*turns: str, approve: str = "look", **options: Any) -> tuple[Agent, ApprovalNeeded]:
        one = agent(*(turns or SCRIPT), approve=approve, **options)
        with pytest.raises(ApprovalNeeded) as found:
            one.ask(picture_file, "How many?")
        return one, found.value

    return ask


def _done(painter: Any) -> list[str]:
    return [action.kind for action in painter.calls]


Waiting = Callable[..., tuple[Agent, ApprovalNeeded]]


def test_nothing_is_done_before_a_person_accepts(waiting: Waiting, painter: Any) -> None:
    one, found = waiting()
    assert _done(painter) == ["detect"]
    (pending,) = found.pending
    assert (pending.action.kind, pending.specialist) == ("look", "encoder")
    assert [mark.box.xyxy for mark in pending.marks] == [(40, 8, 60, 28)]
    (kept,) = one.runs.all()
    assert (kept.state, kept.pending) == ("waiting", found.pending)
    result = one.runs.resume(found.run, Decision.accept())
    assert (result.answer, _done(painter)) == ("2", ["detect", "look"])
    assert [hop.approval for hop in result.hops] == [None, "accepted"]


@pytest.mark.parametrize("kind", ["sqlite", "sqlite-latest", "postgres"])
def test_another_process_may_decide(
    kind: str,
    waiting: Waiting,
    agent: Make,
    painter: Any,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    place = f"{kind}:{tmp_path / 'waiting.db'}"
    if kind == "postgres":
        place = request.getfixturevalue("postgres").address
    one, found = waiting(checkpoint=place)
    one.close()
    assert agent(*SCRIPT, checkpoint=place).runs.resume(found.run, Decision.accept()).answer == "2"
    assert _done(painter) == ["detect", "look"]


def test_without_a_decision_it_still_waits(waiting: Waiting, agent: Make) -> None:
    _, found = waiting()
    with pytest.raises(ApprovalNeeded) as again:
        agent(*SCRIPT).runs.resume(found.run)
    assert again.value.pending == found.pending


def test_a_rejected_action_is_told_to_the_model(waiting: Waiting, painter: Any) -> None:
    one, found = waiting()
    result = one.runs.resume(found.run, Decision.reject("it shows a face"))
    hop = result.hops[-1]
    assert _done(painter) == ["detect"]
    assert hop.observation == Failed(
        error="action", message="a person refused this: it shows a face"
    )
    assert (hop.approval, hop.specialist, result.answer) == ("rejected", None, "2")
    assert result.usage.errors == 1


def test_an_edited_region_is_looked_at_instead(waiting: Waiting, painter: Any) -> None:
    one, found = waiting()
    result = one.runs.resume(found.run, Decision.edit(region=(10, 10, 20, 200)))
    hop = result.hops[-1]
    assert isinstance(hop.action, Look)
    assert isinstance(hop.instead, Look)
    assert hop.action.target.kind == "object"
    assert hop.instead == painter.calls[-1]
    assert hop.observation.views[0].source.xyxy == (10, 10, 20, 64)  # type: ignore[union-attr]
    assert (hop.approval, result.answer) == ("edited", "2")
    assert (10, 10, 20, 64) in [piece.box for piece in result.evidence]


def test_an_edited_phrase_is_detected_instead(waiting: Waiting, painter: Any) -> None:
    one, found = waiting(FIND, "1", approve="detect")
    result = one.runs.resume(found.run, Decision.edit(phrase="blue"))
    assert painter.calls == [Detect(phrase="blue")]
    assert [piece.label for piece in result.evidence] == ["blue square"]


def test_a_model_that_follows_instructions_is_told_of_an_edit(
    waiting: Waiting, reciter: Any
) -> None:
    model = reciter(*SCRIPT)
    one, found = waiting(model=model)
    one.runs.resume(found.run, Decision.edit(region=(10, 10, 20, 20)))
    told = [item.text for item in model.sessions[-1].heard if item.kind == "noted"]
    assert told == ["a person changed where look was done; this is what came back from there"]


def test_what_an_action_cannot_be_is_refused_before_anything_is_done(waiting: Waiting) -> None:
    one, found = waiting()
    for wrong, told in [
        (Decision.edit(phrase="dog"), "look takes no phrase; give a region"),
        (Decision.edit(region=(200, 0, 210, 10)), "holds no pixel of the image; .* within 96 x 64"),
    ]:
        with pytest.raises(InputError, match=told):
            one.runs.resume(found.run, wrong)
    assert one.runs.resume(found.run, Decision.accept()).answer == "2"
    with pytest.raises(InputError, match=r"nothing of run .* waits as 'x'"):
        waiting()[0].runs.resume(waiting()[1].run, {"x": Decision.accept()})


def test_a_run_that_does_not_wait_takes_no_decision(agent: Make, picture_file: Path) -> None:
    one = agent(*SCRIPT)
    run = one.ask(picture_file, "How many?").run
    with pytest.raises(InputError, match=f"run {run} is over; nothing of it waits"):
        one.runs.resume(run, Decision.accept())


def test_parallel_actions_are_decided_one_by_one(waiting: Waiting, painter: Any) -> None:
    one, found = waiting(FIND + BLUE, "3", approve="all")
    assert [pending.position for pending in found.pending] == [0, 1]
    assert _done(painter) == []
    red, blue = found.pending
    with pytest.raises(ApprovalNeeded) as again:
        one.runs.resume(found.run, {blue.id: Decision.reject()})
    assert [pending.id for pending in again.value.pending] == [red.id]
    result = one.runs.resume(found.run, Decision.accept())
    assert [hop.approval for hop in result.hops] == ["accepted", "rejected"]
    assert painter.calls == [Detect(phrase="red")]


def test_one_decision_is_about_all_that_wait(waiting: Waiting, painter: Any) -> None:
    one, found = waiting(FIND + BLUE, "3", approve="detect,look")
    assert one.runs.resume(found.run, Decision.accept()).answer == "3"
    assert _done(painter) == ["detect", "detect"]


def test_what_needs_no_approval_is_done_meanwhile_and_once(waiting: Waiting, painter: Any) -> None:
    read_all = "<|read_start|><|read_end|>"
    one, found = waiting(FIND + read_all, "3", approve="detect")
    assert _done(painter) == ["read"]
    assert one.runs.resume(found.run, Decision.accept()).answer == "3"
    assert sorted(_done(painter)) == ["detect", "read"]


def test_waiting_for_a_person_takes_no_time(waiting: Waiting, agent: Make) -> None:
    one, found = waiting(budgets=Budgets(seconds=300))
    result = one.runs.resume(found.run, Decision.accept())
    assert result.ended_by == "answer"


def test_without_a_checkpoint_it_waits_in_this_process(waiting: Waiting) -> None:
    one, found = waiting(checkpoint=None)
    assert one.runs.resume(found.run, Decision.accept()).answer == "2"


async def test_a_stream_ends_in_the_pause(agent: Make, picture_file: Path) -> None:
    one, kinds = agent(*SCRIPT, approve="look"), list[str]()

    async def listen() -> None:
        async for event in one.stream(picture_file, "How many?"):
            kinds.append(event.kind)

    with pytest.raises(ApprovalNeeded) as found:
        await listen()
    assert kinds[-1] == "paused"
    assert (await one.runs.aresume(found.value.run, Decision.accept())).answer == "2"


def test_an_approved_run_is_traced_and_replayed(
    waiting: Waiting, tmp_path: Path, picture_file: Path
) -> None:
    import asyncio

    one, found = waiting(trace_dir=tmp_path / "traces")
    result = one.runs.resume(found.run, Decision.reject("no"))
    kinds = [event.kind for event in read(str(result.trace))]
    assert kinds == [
        "started", "thought", "called", "returned", "thought", "paused", "resumed", "decided",
        "returned", "thought", "finished",
    ]  # fmt: skip
    again = asyncio.run(replay(str(result.trace), picture_file))
    assert (again.answer, again.evidence) == (result.answer, result.evidence)
    assert [hop.observation for hop in again.hops] == [hop.observation for hop in result.hops]


async def test_the_bare_graph_takes_json_and_asks_again_when_it_cannot_be(
    painter: Any, picture: Any, reciter: Any
) -> None:
    """What `langgraph dev`, or a parent graph, does: no door of ours has checked the decision."""
    key = painter.store.put(picture)
    asked = Asked(image=key, size=(96, 64), question="How many?", tools=PERCEPTIONS)
    context = Context(
        Sessions(reciter(*SCRIPT), painter.store), painter, approve=approvals(["look"])
    )
    graph: Any = build(InMemorySaver())
    config = {"configurable": {"thread_id": "r"}}

    async def go(given: Any) -> Any:
        return await graph.ainvoke(given, config, context=context)

    first = await go(Request(run="r", asked=asked, budgets=Budgets()))
    (interrupt,) = first["__interrupt__"]
    assert interrupt.value["action"]["kind"] == "look"
    assert "region" in interrupt.response_schema["properties"]
    again = await go(Command(resume={"kind": "edit", "phrase": "dog"}))
    assert "look takes no phrase" in again["__interrupt__"][0].value["trouble"]
    done = await go(Command(resume=Decision.edit(region=(0, 0, 10, 10)).model_dump()))
    assert done["result"].answer == "2"


def test_what_may_be_approved() -> None:
    assert approvals(None) == frozenset()
    assert approvals("all") == frozenset(PERCEPTIONS)
    assert approvals("look, detect") == {"look", "detect"}
    with pytest.raises(InputError, match=r"no action 'lok' to approve; known: look, .*, or all"):
        approvals(["lok"])


def test_a_decision_says_one_thing() -> None:
    for wrong in ({"kind": "edit"}, {"kind": "accept", "phrase": "dog"}):
        with pytest.raises(ValueError, match="an edit, and nothing else"):
            Decision.model_validate(wrong)


def test_an_edit_keeps_the_rest_of_the_action() -> None:
    action = Look(target=Region(x0=0, y0=0, x1=1, y1=1))
    found = outcome_of(Decision.edit(region=(0, 0, 48, 64)), action, "hash", (96, 64))
    assert found is not None
    assert not isinstance(found, Failed)
    assert found.action == Look(target=Area(x0=0, y0=0, x1=0.5, y1=1))
    assert found.marks[0].box.xyxy == (0, 0, 48, 64)


def test_what_waits_crosses_processes(waiting: Waiting) -> None:
    _, found = waiting()
    copy = pickle.loads(pickle.dumps(found))
    assert (copy.run, copy.pending, str(copy)) == (found.run, found.pending, str(found))
    assert str(found) == f"run {found.run} waits for a person to approve: look"
