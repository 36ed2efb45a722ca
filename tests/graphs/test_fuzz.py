"""Ten thousand outputs that nobody asked for, through the loop: every run ends, with an answer or with a reason.

The examples are the same on every machine. What once went wrong is kept in `tests/data/fuzz`, and tried first.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.agent.actions import Perception, PerceptionKind
from foveal.agent.calls import action_of
from foveal.agent.coordinates import Frame
from foveal.agent.errors import ActionError, SpecialistError
from foveal.agent.grammar import parse, render
from foveal.agent.model import Usage
from foveal.agent.observations import Failed
from foveal.agent.transcript import Acted
from foveal.graphs.budgets import Budgets
from foveal.graphs.replay import replay
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, run
from foveal.graphs.schema import schema_of
from foveal.graphs.trace import read

Tried = Callable[..., int]

MODELS, OUTPUTS = 1_000, 10
"""Models, and outputs of each: those that a run leaves go into the next one."""
BUDGETS = Budgets(hops=OUTPUTS - 1, actions=12, errors=OUTPUTS, answer_tokens=64)
FRAME = Frame("thousand", (96, 64), (96, 64))
COUNT = schema_of(
    {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
)
CALM = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


class Wild:
    """A model that says whatever it was given, as text or as tool calls, and cannot be held to anything."""

    name = "wild"

    def __init__(self, outputs: Sequence[dict[str, Any]]) -> None:
        self.outputs = outputs
        self.turns = 0
        self.usage = Usage()

    async def open(self, transcript: Any, sight: Any) -> "Wild":
        return self

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        output = self.outputs[self.turns % len(self.outputs)]
        self.turns += 1
        self.usage = Usage(emitted=self.turns)
        calls = output.get("calls", [])
        text = output.get("text", "".join(f"{name}({arguments})" for name, arguments in calls))
        if on_text is not None:
            on_text(text)
        called = tuple(
            action_of(name, given, "thousand", FRAME.shown, (1, 2), [FRAME.shown])
            for name, given in calls
        )
        actions = called or parse(text, FRAME.target, FRAME.target)
        return Acted(text=text, actions=actions, confidence=0.5)

    async def observe(self, items: Any) -> None:
        """Nothing it is told changes what it says."""

    def close(self) -> None:
        """Nothing is held."""


async def fail_sometimes(action: Perception) -> None:
    """Specialists break as well, and refuse."""
    mood = len(render(action)) % 7
    if mood == 1:
        raise SpecialistError(action.kind, "it is out of order")
    if mood == 2:
        raise ActionError("this cannot be done")


def must_have_ended(result: Result, turns: int) -> None:
    """With an answer, or with a reason why there is none; within the budgets; and in words that can be written."""
    assert result.answer or any(note.startswith("no answer: ") for note in result.notes)
    assert result.usage.hops <= BUDGETS.hops
    assert result.usage.actions <= BUDGETS.actions
    assert 0 < turns <= 2 * (BUDGETS.hops + 3)
    refused = [hop for hop in result.hops if isinstance(hop.observation, Failed)]
    assert all(hop.observation.message for hop in refused if isinstance(hop.observation, Failed))
    assert Result.model_validate_json(result.model_dump_json()) == result


@pytest.fixture
def tried(painter: Any, picture: Any, tmp_path: Path) -> Iterator[Tried]:
    """Runs a wild model, with a trace, until all that it has to say was said; returns how many turns it had."""
    painter.before = fail_sometimes

    async def go(outputs: Sequence[dict[str, Any]], wishes: dict[str, Any]) -> int:
        model, again = Wild(outputs), wishes.pop("again", False)
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        pictures = [picture, mirrored] if wishes.pop("pair", False) else [picture]
        needed = Parts(
            model, painter, painter.store, budgets=BUDGETS, gate=wishes.pop("gate", None),
            tools=wishes.pop("tools"), trace_dir=tmp_path,
        )  # fmt: skip
        while model.turns < len(outputs):
            before = model.turns
            result = await run("How many?", pictures, needed, **wishes)
            must_have_ended(result, model.turns - before)
            trace = Path(str(result.trace))
            assert read(trace)[-1].kind == "finished"
            if again:
                assert told(await replay(trace, pictures)) == told(result)
            trace.unlink()
        return model.turns

    with asyncio.Runner() as runner:
        yield lambda outputs, **wishes: runner.run(go(outputs, wishes))


def told(result: Result) -> Any:
    return result.answer, result.value, result.notes, result.ended_by, len(result.hops)


TOOLS = st.sampled_from([("look", "detect", "segment", "depth", "read", "reencode"), ("look",), ()])
WISHES = st.fixed_dictionaries(
    {"tools": TOOLS},
    optional={
        "schema": st.sampled_from([None, COUNT]),
        "gate": st.sampled_from([None, 0.4, 0.6]),
        "verify": st.booleans(),
        "pair": st.booleans(),
    },
)


def test_what_once_went_wrong(tried: Tried, wild: Any) -> None:
    for output in [*wild.corpus("turns"), *wild.corpus("calls")]:
        for schema in (None, COUNT):
            assert tried([output], tools=("look", "detect"), schema=schema, verify=True, again=True)


@pytest.mark.slow
def test_any_outputs(tried: Tried, wild: Any) -> None:
    turns = 0

    @settings(CALM, max_examples=MODELS)
    @given(st.lists(wild.OUTPUTS, min_size=OUTPUTS, max_size=OUTPUTS), WISHES)
    def try_one(said: list[dict[str, Any]], wishes: dict[str, Any]) -> None:
        nonlocal turns
        turns += tried(said, **wishes)

    try_one()
    assert turns >= MODELS * OUTPUTS
