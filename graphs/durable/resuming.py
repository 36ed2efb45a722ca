"""Going on with a run: the same question, what was seen so far, and a session rebuilt from the transcript."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from foveal.agent.errors import InputError
from foveal.graphs.approval import ApprovalNeeded, Decision, Pending, outcome_of
from foveal.graphs.context import stopwatch
from foveal.graphs.course import Course, Decisions, Resumption, aside
from foveal.graphs.durable.keeper import Keeper, pending_in
from foveal.graphs.durable.record import Record, must_agree
from foveal.graphs.durable.retrace import Continued
from foveal.graphs.pinned import pinned
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, Watcher, follow
from foveal.graphs.schema import Schema, schema_of
from foveal.graphs.trace import Finished, TraceWriter
from foveal.tools.images import Images, Pixels, several

Load = Callable[[Images], tuple[Pixels, ...]]
Said = Decision | Mapping[str, Decision] | None
"""What a person decided: about everything that waits, or by the id of what waits."""


@dataclass(frozen=True)
class Wanted:
    """What taking up a run needs besides the run."""

    load: Load
    """From where an image is to its pixels."""
    images: Images | None = None
    """Where the images are now, when they are not where they were."""
    schema: Schema | None = None
    """What the answer must fit, when its value is to be more than JSON."""
    watch: Watcher | None = None


async def resume(run: str, parts: Parts, wanted: Wanted, said: Said = None) -> Result:
    """The result of a run that was cut off or waits. Raises ApprovalNeeded while nobody has decided.

    Raises InputError for a run that is not there, an image that changed, and a decision that cannot be.
    """
    keeper = kept_in(parts)
    record, result = await keeper.found(run)
    if result is not None and said is not None:
        raise InputError(f"run {record.run} is over; nothing of it waits for a decision")
    if result is not None:
        return _told_again(result, wanted)
    async with keeper.held(record.run):
        state = await keeper.state(record.run)
        decisions = decided(record.run, pending_in(state.interrupts), said)
        hops = tuple(state.values.get("hops", ()))
        resumed = Resumption(hops, decisions, fork=record.fork)
        return await taken_up(record, parts, wanted, resumed, state.values)


def _told_again(result: Result, wanted: Wanted) -> Result:
    """The result of a run that is over; its value as it is wanted now."""
    if wanted.schema is not None and result.value is not None:
        result = result.model_copy(update={"value": wanted.schema.fitted(result.answer)})
    if wanted.watch is not None:
        wanted.watch(Finished(result=result))
    return result


async def taken_up(
    record: Record,
    parts: Parts,
    wanted: Wanted,
    resumed: Resumption,
    values: Mapping[str, object],
) -> Result:
    """Bring a kept run to its end, from a checkpoint with these values."""
    keeper = kept_in(parts)
    must_suit(record, parts)
    pixels = _loaded(record, wanted)
    async with pinned(pixels, parts.store) as originals:
        must_agree(record, [one.image for one in originals], _sources(record, wanted))
        await keeper.restore(record.run, parts.store)
        course = Course(
            record.run,
            record.asked,
            wanted.schema or _schema(record),
            record.verify,
            stopwatch(await _before(record.run, keeper)),
            replace(resumed, trace=_continued(record, values)),
            sources=record.sources,
        )
        settings = replace(
            parts,
            tools=record.asked.tools,
            budgets=record.budgets,
            gate=record.gate,
            approve=frozenset(record.approve),
            trace_dir=Path(record.trace).parent if record.trace else None,
        )
        return await follow(course, settings, wanted.watch)


def kept_in(parts: Parts) -> Keeper:
    """Where runs are kept. Raises InputError where they are not."""
    if parts.keeper is None:
        raise InputError("no runs are kept here; give a checkpoint, as sqlite:runs.db")
    return parts.keeper


def must_suit(record: Record, parts: Parts) -> None:
    """Raise InputError for a run that was begun with another profile."""
    mine, its = parts.chosen.called, record.profile.called
    if mine != its:
        raise InputError(f"run {record.run} was begun with profile {its!r}, not {mine!r}; use that")


def decided(run: str, waiting: Sequence[Pending], said: Said) -> Decisions:
    """A decision for each of those that wait and were decided about. Raises ApprovalNeeded when none was."""
    if said is None:
        if waiting:
            raise ApprovalNeeded(run, tuple(waiting))
        return {}
    if not waiting:
        raise InputError(f"run {run} waits for nobody; resume it without a decision")
    by_id = {one.id: said for one in waiting} if isinstance(said, Decision) else dict(said)
    known = {one.id: one for one in waiting}
    for key, decision in by_id.items():
        if key not in known:
            raise InputError(f"nothing of run {run} waits as {key!r}; known: {', '.join(known)}")
        outcome_of(decision, known[key].action, known[key].image, known[key].size)
    return by_id


def _continued(record: Record, values: Mapping[str, object]) -> TraceWriter | None:
    path = Path(record.trace) if record.trace else None
    return Continued(path, values) if path is not None and path.exists() else None


def _loaded(record: Record, wanted: Wanted) -> tuple[Pixels, ...]:
    if wanted.images is not None:
        given = several(wanted.images)
        if len(given) != len(record.sources):
            raise InputError(
                f"run {record.run} is about {len(record.sources)} images, and {len(given)} were given"
            )
        return wanted.load(wanted.images)
    sources = [source for source in record.sources if source is not None]
    if len(sources) < len(record.sources):
        raise InputError(
            f"the image of run {record.run} was piped in or given as pixels; name a copy of it with --image"
        )
    try:
        return wanted.load(sources)
    except InputError as error:
        problem = f"the image of run {record.run} cannot be had: {error}"
        raise InputError(f"{problem}; or name a copy of it with --image") from error


def _sources(record: Record, wanted: Wanted) -> dict[int, str]:
    given = record.sources if wanted.images is None else several(wanted.images)
    return {n: str(one) for n, one in enumerate(given) if isinstance(one, str | Path)}


def _schema(record: Record) -> Schema | None:
    text = record.asked.answer_schema
    return schema_of(json.loads(text)) if text else None


async def _before(run: str, keeper: Keeper) -> float:
    """Seconds that the run took until it was left; waiting for a person is not among them."""
    states = [await keeper.state(thread) for thread in (run, aside(run))]
    return max(
        (state.values["spent"].seconds for state in states if "spent" in state.values), default=0.0
    )
