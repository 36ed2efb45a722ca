"""The machine itself: interrupted, resumed, and weighed."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from foveal.agent.actions import PERCEPTIONS
from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Budgets
from foveal.graphs.build import build
from foveal.graphs.context import Context
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Request
from foveal.graphs.trace import Event

DETECT = "<|detect_start|>red<|detect_end|>"
STRAY = "<|region_token_end|>"
LOOKS = [
    f"<|region_token_start|><|x_{n % 8}|><|y_{n // 8}|><|x_7|><|y_7|><|region_token_end|>"
    for n in range(10)
]
SCRIPT = (DETECT, STRAY, "<|look_start|><|obj_2|><|look_end|>", "2")


@pytest.fixture
def request_for(store: Any, picture: Any) -> Request:
    key = store.put(picture)
    asked = Asked(image=key, size=(96, 64), question="How many?", tools=PERCEPTIONS)
    return Request(run="r", asked=asked, budgets=Budgets(hops=20))


@pytest.fixture
def context_with(painter: Any, store: Any) -> Callable[..., Context]:
    return lambda model, **kw: Context(Sessions(model, store), painter, **kw)


def _told(result: Any) -> Any:
    """What must not depend on how often a session was rebuilt: all but times and prefills."""
    hops = [hop.model_copy(update={"seconds": 0.0}) for hop in result.hops]
    return hops, result.answer, result.evidence, result.ended_by, result.notes, result.usage.emitted


async def test_a_session_lost_after_every_turn_is_rebuilt(
    request_for: Request, context_with: Any, reciter: Any, painter: Any
) -> None:
    whole = (await build().ainvoke(request_for, context=context_with(reciter(*SCRIPT))))["result"]
    calls, model = painter.calls.copy(), reciter(*SCRIPT)

    def forget(event: Event) -> None:
        if event.kind in {"called", "told"}:
            context.sessions.drop("r")

    context = context_with(model, emit=forget)
    again = (await build().ainvoke(request_for, context=context))["result"]
    assert _told(again) == _told(whole)
    assert painter.calls == calls * 2
    assert [session.closed for session in model.sessions] == [1, 1, 1, 0]
    heard = [session.heard for session in model.sessions]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(heard))


async def test_a_run_that_broke_goes_on_from_its_checkpoint(
    request_for: Request, context_with: Any, reciter: Any, painter: Any
) -> None:
    graph = build(InMemorySaver())
    config: Any = {"configurable": {"thread_id": "r"}}

    async def break_at_look(action: Any) -> None:
        if action.kind == "look":
            raise ConnectionError("the machine went down")

    painter.before = break_at_look
    with pytest.raises(ConnectionError):
        await graph.ainvoke(request_for, config, context=context_with(reciter(*SCRIPT)))
    painter.before = None
    model = reciter(*SCRIPT)
    reply = await graph.ainvoke(None, config, context=context_with(model))
    assert reply["result"].answer == "2"
    assert [hop.action.kind for hop in reply["result"].hops] == ["detect", "look"]
    assert [action.kind for action in painter.calls] == ["detect", "look", "look"]
    assert len(model.opened) == 1  # one prefill of the whole transcript


async def test_the_state_of_a_long_run_stays_small(
    request_for: Request, context_with: Any, reciter: Any, painter: Any
) -> None:
    painter.tokens = 64
    graph = build(InMemorySaver())
    config: Any = {"configurable": {"thread_id": "r"}}
    await graph.ainvoke(request_for, config, context=context_with(reciter(*LOOKS, "2")))
    values = (await graph.aget_state(config)).values
    assert len(values["hops"]) == 10
    kind, stored = JsonPlusSerializer().dumps_typed(values)
    assert kind == "msgpack"
    assert len(stored) < 50_000
    assert all(isinstance(leaf, str | int | float | bool | None) for leaf in _leaves(values))


def _leaves(value: Any) -> list[Any]:
    """Everything in the state that is not a container."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]
