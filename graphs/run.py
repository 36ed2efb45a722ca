"""One run, from pixels and a question to a Result."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from langgraph.errors import GraphBubbleUp
from numpy.typing import NDArray

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.model import PerceptionModel
from foveal.agent.transcript import Asked
from foveal.graphs.approval import ApprovalNeeded
from foveal.graphs.budgets import Budgets
from foveal.graphs.context import Context, stopwatch
from foveal.graphs.course import Course, aside, run_id, traced
from foveal.graphs.direct import answered
from foveal.graphs.durable.record import Chosen, Record, source_of
from foveal.graphs.pinned import pinned, refuse_more
from foveal.graphs.result import Result
from foveal.graphs.schema import Schema
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Reply, Request, State
from foveal.graphs.talk import Talk
from foveal.graphs.trace import Broke, Event, Finished, Paused, Resumed, Started, TraceWriter
from foveal.tools.base import Dispatcher
from foveal.tools.store import ImageStore

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from foveal.graphs.durable.keeper import Keeper

Watcher = Callable[[Event], None]
Looped = Callable[["Course", Asked, "Parts", Watcher, str | None], Awaitable[Result]]
"""Once through the loop, whose trace has this path."""


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
    approve: frozenset[PerceptionKind] = frozenset()
    """The actions that wait for a person; there must be a keeper then."""
    keeper: "Keeper | None" = None
    """Where runs are kept, if they are to outlive the process."""
    chosen: "Chosen" = field(default_factory=Chosen)
    """The profile, as a kept run remembers it."""


async def run(
    question: str,
    pixels: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    parts: Parts,
    watch: Watcher | None = None,
    *,
    schema: Schema | None = None,
    verify: bool = False,
    elapsed: Callable[[], float] | None = None,
    sources: Sequence[object] = (),
    talk: Talk | None = None,
) -> Result:
    """Answer a question about an image, or several, given as `tools.images.load_image` gives each.

    The answer has to fit `schema`; `verify` asks again with the observations withheld.

    Raises InputError and SetupError for the user; what the model or a specialist gets wrong is in the result.
    Raises ApprovalNeeded where it waits for a person.
    `watch` is called with every event, maybe from another thread; `elapsed` replaces the wall clock. `sources` are
    what the images came from: a trace says it, and a kept run remembers it. The question goes on with `talk`.
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
        named = tuple(map(source_of, sources)) if len(sources) == len(pictures) else ()
        course = Course(run_id(), asked, schema, verify, clock, talk=talk, sources=named)
        if parts.keeper is not None:
            await parts.keeper.begin(_record(course, parts))
        async with parts.keeper.held(course.name) if parts.keeper else nullcontext():
            with talk.question(course.name) if talk else nullcontext():
                return await follow(course, parts, watch)


def checked_question(question: str) -> str:
    """The question without surrounding space. Raises InputError when nothing is left."""
    if not question.strip():
        raise InputError(
            "the question is empty; ask something, e.g. 'How many red cubes are there?'"
        )
    return question.strip()


async def follow(
    course: Course, parts: Parts, watch: Watcher | None, looped: Looped | None = None
) -> Result:
    """A run, from its beginning or from where it was left, to its end; `looped` is another way to go about it."""
    through = looped or _looped
    with _recorded(course, parts.trace_dir, watch) as (emit, trace):
        emit(_started(course, parts))
        if course.resumed is not None:
            emit(Resumed(run=course.name, hops=course.resumed.hops))

        async def once(question: Asked, tell: Watcher) -> Result:
            return await through(course, question, parts, tell, trace)

        try:
            result = await answered(course.asked, once, emit, parts.gate, course.verify)
            if parts.keeper is not None:
                await parts.keeper.finish(result)
        except ApprovalNeeded as waiting:
            emit(Paused(run=course.name, pending=waiting.pending))
            raise
        except GraphBubbleUp:  # a pause, of a graph around this one
            raise
        except BaseException as error:
            emit(Broke(error=_described(error)))
            raise
        emit(Finished(result=result))
        return result


async def _looped(
    course: Course, asked: Asked, parts: Parts, tell: Watcher, trace: str | None
) -> Result:
    """Once through the loop, with a session of its own, or the conversation's."""
    beside, talk = asked is not course.asked, course.talk
    own = Sessions(parts.model, parts.store)
    sessions = own if beside or not talk else talk.sessions
    context = context_of(course, parts, sessions, tell, trace)
    past = course.past(beside)
    request = Request(run=course.name, asked=asked, budgets=parts.budgets, past=past)
    steps = steps_of(parts.budgets)
    try:
        if parts.keeper is None:
            reply = await _graph().ainvoke(
                request, context=context, config={"recursion_limit": steps}
            )
        else:
            keep = parts.keeper.keeping(course.name, asked, parts.store)
            thread = aside(course.name) if beside else course.name
            decisions = course.resumed.decisions if course.resumed else {}
            reply = await parts.keeper.advance(
                thread, request, replace(context, keep=keep), steps, decisions
            )
    finally:
        own.drop(course.name)
    if talk:
        talk.answered(course.asked, reply["items"], beside)
    result: Result = reply["result"]
    return result


def context_of(
    course: Course, parts: Parts, sessions: Sessions, tell: Watcher, trace: str | None
) -> Context:
    """What the nodes of a run work with."""
    return Context(
        sessions,
        parts.dispatcher,
        profile=parts.profile,
        domain=parts.domain,
        schema=course.schema,
        emit=tell,
        elapsed=course.clock,
        trace=trace,
        approve=parts.approve,
    )


def steps_of(budgets: Budgets) -> int:
    """How many steps of the graph a run may take: more than its budgets allow it."""
    return 4 * budgets.hops + 10


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
    course: Course, folder: Path | None, watch: Watcher | None
) -> Iterator[tuple[Watcher, str | None]]:
    """Where events go: to the watcher, and to a trace file when there is a folder for it, or one already."""
    watch = watch or (lambda event: None)
    begun = course.resumed.trace if course.resumed else None
    if folder is None and begun is None:
        yield watch, None
        return
    with begun or TraceWriter(traced(folder or Path(), course.name)) as writer:

        def emit(event: Event) -> None:
            writer.write(event)
            watch(event)

        yield emit, str(writer.path)


def _started(course: Course, parts: Parts) -> Started:
    return Started(
        run=course.name,
        asked=course.asked,
        past=tuple(course.past()),
        profile=parts.profile,
        domain=parts.domain,
        model=parts.model.name,
        instructed=Sessions(parts.model, parts.store).instructed,
        budgets=parts.budgets,
        gate=parts.gate,
        verify=course.verify,
        fork=course.resumed.fork if course.resumed else None,
        version=version("foveal"),
        sources=tuple(one or "" for one in course.sources) if any(course.sources) else (),
    )


def _record(course: Course, parts: Parts) -> Record:
    """What a fresh process needs to go on with a run."""
    count = len(course.asked.images)
    trace = parts.trace_dir and traced(parts.trace_dir, course.name)
    return Record(
        run=course.name,
        began=datetime.now(UTC),
        asked=course.asked,
        sources=course.sources or (None,) * count,
        profile=parts.chosen,
        budgets=parts.budgets,
        gate=parts.gate,
        verify=course.verify,
        approve=tuple(kind for kind in PERCEPTIONS if kind in parts.approve),
        trace=str(trace.absolute()) if trace else None,
        version=version("foveal"),
    )
