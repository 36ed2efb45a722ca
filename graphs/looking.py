"""The node of an agent's graph that answers what was asked, by the loop inside."""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.runtime import get_runtime

from foveal.agent.transcript import Asked, Original
from foveal.graphs.build import build
from foveal.graphs.context import stopwatch
from foveal.graphs.course import Course, Resumption, traced
from foveal.graphs.home import afar
from foveal.graphs.recall import Recall, Recalling
from foveal.graphs.result import Result
from foveal.graphs.run import (
    Looped,
    Parts,
    Watcher,
    checked_question,
    context_of,
    follow,
    steps_of,
)
from foveal.graphs.schema import schema_of
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Request
from foveal.graphs.taking import Owner, Taken, held, reloaded
from foveal.graphs.trace import TraceWriter

COPIED = ("answer", "confidence", "value", "evidence", "hops", "notes")
"""What is given back beside the whole result."""

T = TypeVar("T")


def looking(owner: Owner) -> Runnable[Any, dict[str, Any]]:
    """The node that answers what was taken up, from the loop's last checkpoint if there is one."""
    inner = build(loop=owner.loop)

    def look(state: dict[str, Any]) -> dict[str, Any]:
        parts = owner.loop.wait(owner.parts())
        with held(owner, state, reloaded(owner, state)):
            run = _run(owner, parts, state)

            async def looped(_: Course, asked: Asked, __: Parts, *told: Any) -> Result:
                with run.invocation(asked, *told) as call:
                    result: Result = inner.invoke(**call)["result"]
                    return result

            reply = _at_once(run.answered(looped))
            owner.loop.wait(run.recall.forget())
            return reply

    async def alook(state: dict[str, Any]) -> dict[str, Any]:
        parts = await afar(owner.loop, owner.parts())
        pictures = await asyncio.to_thread(reloaded, owner, state)
        with held(owner, state, pictures):
            run = _run(owner, parts, state)

            async def looped(_: Course, asked: Asked, __: Parts, *told: Any) -> Result:
                with run.invocation(asked, *told) as call:
                    result: Result = (await inner.ainvoke(**call))["result"]
                    return result

            reply = await run.answered(looped)
            await afar(owner.loop, run.recall.forget())
            return reply

    return RunnableLambda(look, alook, name="loop")


@dataclass(frozen=True)
class _Run:
    """One question on its way through the loop."""

    owner: Owner
    parts: Parts
    course: Course
    recall: Recall

    @contextmanager
    def invocation(
        self, asked: Asked, tell: Watcher, trace: str | None
    ) -> Iterator[dict[str, Any]]:
        """How the loop is invoked, with a session of its own."""
        name, budgets = self.course.name, self.parts.budgets
        sessions = Recalling(self.recall)
        context = context_of(self.course, self.parts, sessions, tell, trace)
        try:
            yield {
                "input": Request(run=name, asked=asked, budgets=budgets),
                "context": replace(context, keep=self.recall.keep),
                "config": {"recursion_limit": steps_of(budgets)},
            }
        finally:
            with suppress(RuntimeError):  # the agent is closed, and its sessions with it
                self.owner.loop.submit(_dropped(sessions, name))

    async def answered(self, looped: Looped) -> dict[str, Any]:
        """What the graph gives back."""
        result = await follow(self.course, self.parts, _teller(), looped)
        told = result.model_dump(mode="json")
        return {name: told[name] for name in COPIED} | {"result": told}


def _run(owner: Owner, parts: Parts, state: Mapping[str, Any]) -> _Run:
    taken: Taken = state["taken"]
    form = schema_of(taken["schema"]) if taken["schema"] is not None else None
    first, *more = (Original.model_validate(one) for one in taken["images"])
    asked = Asked(
        image=first.image,
        size=first.size,
        more=tuple(more),
        question=checked_question(state["question"]),
        tools=parts.tools,
        answer_schema=form.text if form else "",
    )
    resumed = _retraced(parts.trace_dir, taken["run"])
    course = Course(taken["run"], asked, form, taken["verify"], stopwatch(), resumed)
    parts = replace(parts, keeper=None)  # whoever invokes the graph keeps the run
    return _Run(owner, parts, course, Recall(taken["run"], parts, get_runtime().store))


def _retraced(folder: Path | None, name: str) -> Resumption | None:
    """A run that was cut off goes on with its trace."""
    if folder is None or not traced(folder, name).exists():
        return None
    return Resumption(trace=TraceWriter(traced(folder, name), again=True))


def _teller() -> Watcher:
    """Streams events; one may come from a thread that knows nothing of LangGraph, which asks whose event it is."""
    here, write = contextvars.copy_context(), get_stream_writer()
    return lambda event: here.copy().run(write, event.model_dump(mode="json"))


async def _dropped(sessions: Sessions, run: str) -> None:
    sessions.drop(run)


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("a synchronous run waited")
