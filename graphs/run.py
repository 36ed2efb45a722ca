"""One run, from pixels and a question to a Result."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.model import PerceptionModel
from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Budgets
from foveal.graphs.context import Context, stopwatch
from foveal.graphs.direct import answered
from foveal.graphs.pinned import pinned, refuse_more
from foveal.graphs.result import Result
from foveal.graphs.schema import Schema
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Reply, Request, State
from foveal.graphs.trace import Broke, Event, Finished, Started, TraceWriter
from foveal.tools.base import Dispatcher
from foveal.tools.store import ImageStore

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class Parts:
    """What a run works with."""

    model: PerceptionModel
    dispatcher: Dispatcher
    store: ImageStore
    """The one that the dispatcher reads images from and writes features to."""
    profile: str = "embedded"
    """The profile's name."""
    domain: str = ""
    """What the profile's model was trained for."""
    tools: tuple[PerceptionKind, ...] = PERCEPTIONS
    budgets: Budgets = field(default_factory=Budgets)
    gate: float | None = None
    """How sure the model must be, from 0 to 1, for its answer without looking to stand; None for no gate."""
    trace_dir: Path | None = None


async def run(
    question: str,
    pixels: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    parts: Parts,
    watch: Watcher | None = None,
    *,
    schema: Schema | None = None,
    verify: bool = False,
    elapsed: Callable[[], float] | None = None,
) -> Result:
    """Answer a question about an image, or several, given as `tools.images.load_image` gives each.

    The answer has to fit `schema`; `verify` asks again with the observations withheld.

    Raises InputError and SetupError for the user; what the model or a specialist gets wrong is in the result.
    `watch` is called with every event, maybe from another thread; `elapsed` replaces the wall clock.
    """
    clock = elapsed or stopwatch()
    question = checked_question(question)
    pictures = [pixels] if isinstance(pixels, np.ndarray) else list(pixels)
    refuse_more(len(pictures), parts.model, parts.profile)
    async with pinned(pictures, parts.store) as (first, *more):
        asked = Asked(
            image=first.image,
            size=first.size,
            more=tuple(more),
            question=question,
            tools=parts.tools,
            answer_schema=schema.text if schema else "",
        )
        return await _answered(asked, parts, _Wish(schema, verify, clock), watch)


def checked_question(question: str) -> str:
    """The question without surrounding space. Raises InputError when nothing is left."""
    if not question.strip():
        raise InputError(
            "the question is empty; ask something, e.g. 'How many red cubes are there?'"
        )
    return question.strip()


@dataclass(frozen=True)
class _Wish:
    """What one question asks for besides an answer."""

    schema: Schema | None
    verify: bool
    clock: Callable[[], float]


async def _answered(asked: Asked, parts: Parts, wish: _Wish, watch: Watcher | None) -> Result:
    name = _run_id()
    with _recorded(name, parts.trace_dir, watch) as (emit, trace):
        emit(_started(name, asked, parts, wish))

        async def once(question: Asked, tell: Watcher) -> Result:
            return await _looped(name, question, parts, wish, tell, trace)

        try:
            result = await answered(asked, once, emit, parts.gate, wish.verify)
        except BaseException as error:
            emit(Broke(error=_described(error)))
            raise
        emit(Finished(result=result))
        return result


async def _looped(
    name: str, asked: Asked, parts: Parts, wish: _Wish, tell: Watcher, trace: str | None
) -> Result:
    """Once through the loop, with a session of its own."""
    sessions = Sessions(parts.model, parts.store)
    context = Context(
        sessions,
        parts.dispatcher,
        profile=parts.profile,
        domain=parts.domain,
        schema=wish.schema,
        emit=tell,
        elapsed=wish.clock,
        trace=trace,
    )
    try:
        reply = await _graph().ainvoke(
            Request(run=name, asked=asked, budgets=parts.budgets),
            context=context,
            config={"recursion_limit": 4 * parts.budgets.hops + 10},
        )
    finally:
        sessions.drop(name)
    result: Result = reply["result"]
    return result


def _described(error: BaseException) -> str:
    """An exception's type and message, without the address of some object that stands for one."""
    bare = any(repr(part) == object.__repr__(part) for part in error.args)
    message = "" if bare else str(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


@cache
def _graph() -> "CompiledStateGraph[State, Context, Request, Reply]":
    from foveal.graphs.build import build  # LangGraph takes a second to import

    return build()


@contextmanager
def _recorded(
    name: str, folder: Path | None, watch: Watcher | None
) -> Iterator[tuple[Watcher, str | None]]:
    """Where events go: to the watcher, and to a trace file when there is a folder for it."""
    watch = watch or (lambda event: None)
    if folder is None:
        yield watch, None
        return
    with TraceWriter(folder / f"{name}.jsonl") as writer:

        def emit(event: Event) -> None:
            writer.write(event)
            watch(event)

        yield emit, str(writer.path)


def _started(name: str, asked: Asked, parts: Parts, wish: _Wish) -> Started:
    return Started(
        run=name,
        asked=asked,
        profile=parts.profile,
        domain=parts.domain,
        model=parts.model.name,
        instructed=Sessions(parts.model, parts.store).instructed,
        budgets=parts.budgets,
        gate=parts.gate,
        verify=wish.verify,
        version=version("foveal"),
    )


def _run_id() -> str:
    """Sorts by time; unique across processes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
