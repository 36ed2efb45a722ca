"""Time travel: another run from the middle of one, and the one untouched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.agent.observations import Detected, Failed
from foveal.graphs.agent import Agent
from foveal.graphs.replay import replay
from foveal.graphs.result import Fork
from foveal.graphs.trace import read

FIND = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
LOOK = "<|look_start|><|obj_2|><|look_end|>"
SCRIPT = (FIND, LOOK, "2")
Make = Callable[..., Agent]
THREE: dict[str, Any] = {
    "kind": "detected",
    "phrase": "red",
    "objects": [
        {"label": "red square", "box": [x, 10, x + 9, 20], "score": 0.5} for x in (0, 20, 40)
    ],
}


@pytest.fixture
def asked(agent: Make, picture_file: Path) -> Callable[..., Any]:
    """A finished run's result."""
    return lambda *turns: agent(*(turns or SCRIPT)).ask(picture_file, "How many?")


def test_a_fork_goes_on_from_a_hop_with_another_observation(
    asked: Callable[..., Any], agent: Make, painter: Any
) -> None:
    first = asked()
    painter.calls.clear()
    one = agent(*SCRIPT)
    result = one.runs.fork(first.run, 1, THREE)
    assert result.fork == Fork(run=first.run, hop=1, observation=True)
    assert result.run != first.run
    assert [found.index for found in result.hops[0].observation.objects] == [1, 2, 3]  # type: ignore[union-attr]
    assert result.hops[1].observation.views[0].source.xyxy == (20, 10, 29, 20)  # type: ignore[union-attr]
    assert [action.kind for action in painter.calls] == ["look"]
    assert one.runs.resume(first.run) == first
    old, new = one.runs.all()
    assert (old.run, old.fork, new.run, new.fork) == (first.run, None, result.run, result.fork)


def test_the_model_hears_what_is_said_to_have_happened(
    asked: Callable[..., Any], agent: Make, reciter: Any
) -> None:
    first, model = asked(), reciter(*SCRIPT)
    agent(model=model).runs.fork(first.run, 1, Failed(error="specialist", message="it is broken"))
    (session,) = model.sessions
    heard = [item.observation for item in session.heard if item.kind == "observed"]
    assert heard[0] == Failed(error="specialist", message="it is broken")


def test_a_fork_without_another_observation_is_the_same_again(
    asked: Callable[..., Any], agent: Make, painter: Any
) -> None:
    first = asked()
    painter.calls.clear()
    result = agent(*SCRIPT).runs.fork(first.run, 2)
    assert (result.answer, result.evidence, painter.calls) == (first.answer, first.evidence, [])
    assert result.fork == Fork(run=first.run, hop=2, observation=False)


def test_a_fork_can_be_forked_and_resumed(asked: Callable[..., Any], agent: Make) -> None:
    first = asked()
    one = agent(*SCRIPT)
    second = one.runs.fork(first.run, 1, THREE)
    third = one.runs.fork(second.run, 2)
    assert third.fork == Fork(run=second.run, hop=2, observation=False)
    assert len(third.hops[0].observation.objects) == 3  # type: ignore[union-attr]
    assert one.runs.resume(third.run) == third


def test_hops_of_the_same_turn_are_numbered_after_the_changed_one(
    asked: Callable[..., Any], agent: Make
) -> None:
    first = asked(FIND + BLUE, "3")
    result = agent(FIND + BLUE, "4").runs.fork(first.run, 1, THREE)
    found = [hop.observation for hop in result.hops]
    assert all(isinstance(one, Detected) for one in found)
    assert [[o.index for o in one.objects] for one in found] == [[1, 2, 3], [4]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("hop", "observation", "told"),
    [
        (3, None, "has no hop 3; it has hops 1 to 2"),
        (0, None, "has no hop 0"),
        (1, {"kind": "looked"}, "a detect does not bring 'looked'; give a 'detected'"),
        (1, {"kind": "seen"}, "this is no observation"),
        (1, THREE | {"phrase": 7}, r"this is no observation \(detected.phrase"),
        (1, [1], "this is no observation"),
    ],
)
def test_what_cannot_be_is_refused(
    asked: Callable[..., Any], agent: Make, hop: int, observation: Any, told: str
) -> None:
    first = asked()
    one = agent(*SCRIPT)
    with pytest.raises(InputError, match=told):
        one.runs.fork(first.run, hop, observation)
    assert len(one.runs.all()) == 1


def test_a_view_of_a_part_of_the_image_needs_no_encoder(
    asked: Callable[..., Any], agent: Make
) -> None:
    first = asked()
    part = {"kind": "looked", "views": [{"role": "crop", "pixels": [0, 0, 20, 20]}]}
    result = agent(*SCRIPT).runs.fork(first.run, 2, part)
    assert result.hops[1].observation.views[0].source.xyxy == (0, 0, 20, 20)  # type: ignore[union-attr]
    part["views"][0]["pixels"] = {"image": "elsewhere", "xyxy": [0, 0, 9, 9]}  # type: ignore[index]
    with pytest.raises(InputError, match=r"shows elsewhere..., which run .* never saw"):
        agent(*SCRIPT).runs.fork(first.run, 2, part)


def test_going_back_needs_every_step(agent: Make, picture_file: Path, tmp_path: Path) -> None:
    one = agent(*SCRIPT, checkpoint=f"sqlite-latest:{tmp_path / 'lean.db'}")
    run = one.ask(picture_file, "How many?").run
    with pytest.raises(InputError, match="keeps only a run's latest step; keep runs in sqlite:"):
        one.runs.fork(run, 1)


async def test_all_of_it_can_be_awaited(agent: Make, picture_file: Path) -> None:
    one = agent(*SCRIPT)
    first = await one.aask(picture_file, "How many?")
    second = await one.runs.afork("last", 1, THREE)
    assert await one.runs.aresume(second.run) == second
    assert [kept.run for kept in await one.runs.aall()] == [first.run, second.run]


async def test_a_fork_has_a_trace_of_its_own(
    agent: Make, picture_file: Path, tmp_path: Path
) -> None:
    one = agent(*SCRIPT, trace_dir=tmp_path)
    async for event in one.stream(picture_file, "How many?"):
        if event.kind == "started":
            run = event.run
    before = (tmp_path / f"{run}.jsonl").read_bytes()
    result = one.runs.fork(run, 1)
    started, resumed, *_ = read(str(result.trace))
    assert (tmp_path / f"{run}.jsonl").read_bytes() == before
    assert (started.fork, len(resumed.hops)) == (result.fork, 1)  # type: ignore[union-attr]
    with pytest.raises(
        InputError, match=f"the trace of a fork, which begins in run {run} at hop 1"
    ):
        await replay(str(result.trace), picture_file)
