"""`agent runs`, `agent resume` and `agent fork`: what is kept of runs, and going on from there."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foveal.agent.errors import InputError
from foveal.agent.settings import settings
from foveal.approving import decision_of, waiting_line
from foveal.graphs.agent import Agent
from foveal.graphs.approval import Decision, Pending
from foveal.graphs.durable.forking import observation_file
from foveal.graphs.durable.keeper import Keeper, opened
from foveal.graphs.durable.place import Place, place_of
from foveal.graphs.durable.record import Record
from foveal.graphs.durable.runs import Kept, kept, listed
from foveal.graphs.result import Result
from foveal.graphs.run import Watcher
from foveal.graphs.schema import schema_of
from foveal.reporting import Show, told
from foveal.terminal import own_stdout, printable
from foveal.words import asked, came_back


@dataclass(frozen=True)
class Order:
    """Which run, and how its end is told."""

    run: str
    checkpoint: str | None = None
    images: tuple[str, ...] = ()
    json: bool = False
    hops: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a person decided, as typed."""

    accept: bool = False
    reject: str | None = None
    region: str | None = None
    phrase: str | None = None
    only: int | None = None

    @property
    def decision(self) -> Decision | None:
        """The decision, if there is one. Raises InputError for more than one."""
        edit = self.region is not None or self.phrase is not None
        given = [self.accept, self.reject is not None, edit]
        if sum(given) > 1:
            raise InputError("--accept, --reject and --region or --phrase exclude each other")
        if self.accept:
            return Decision.accept()
        if self.reject is not None:
            return Decision.reject(self.reject.strip())
        return decision_of(self.region, self.phrase) if edit else None


def place(checkpoint: str | None) -> Place:
    """Where runs are kept: as typed, or as the settings say. Raises InputError for neither."""
    secret = settings().checkpoint
    text = checkpoint or (secret.get_secret_value() if secret else "")
    if not text:
        raise InputError(
            "which runs? give --checkpoint sqlite:PATH or postgres:URL, or set FOVEAL_CHECKPOINT"
        )
    return place_of(text)


def tell(run: str | None, checkpoint: str | None, as_json: bool) -> int:
    """The runs that are kept, or one of them, on stdout."""
    found = asyncio.run(_looked_up(place(checkpoint), run))
    with own_stdout() as out:
        if as_json:
            shown = [one.model_dump(mode="json") for one in found]
            out.write(json.dumps(shown if run is None else shown[0], ensure_ascii=False) + "\n")
        elif run is None:
            _table(found, out)
        else:
            _details(found[0], out)
        out.flush()
    return 0


def trace_of(run: str, checkpoint: str | None) -> str:
    """The trace file of a kept run. Raises InputError where it has none."""
    record, _ = asyncio.run(_one(place(checkpoint), run))
    if record.trace is None:
        raise InputError(f"run {record.run} was not traced; ask again with --trace DIR")
    return record.trace


def resume(order: Order, verdict: Verdict) -> int:
    """Go on with a run. Returns the exit code of `agent run`."""

    decision = verdict.decision
    if decision is None and verdict.only is not None:
        raise InputError("--only goes with --accept, --reject, --region or --phrase")

    def go_on(agent: Agent, record: Record, pending: tuple[Pending, ...], hear: Watcher) -> Result:
        said: Any = decision
        if decision is not None and verdict.only is not None:
            if verdict.only > len(pending):
                raise InputError(f"--only {verdict.only}: {len(pending)} actions wait")
            said = {pending[verdict.only - 1].id: decision}
        return agent.runs.resume(record.run, said, images=order.images or None, watch=hear)

    return _taken_up(order, go_on)


def fork(order: Order, hop: int, observation: str | None) -> int:
    """Begin another run at a hop of one."""
    other = None if observation is None else observation_file(observation)

    def go_on(agent: Agent, record: Record, pending: tuple[Pending, ...], hear: Watcher) -> Result:
        return agent.runs.fork(record.run, hop, other, images=order.images or None, watch=hear)

    return _taken_up(order, go_on)


GoOn = Callable[[Agent, Record, tuple[Pending, ...], Watcher], Result]


def _taken_up(order: Order, go_on: GoOn) -> int:
    started, where = time.monotonic(), place(order.checkpoint)
    record, found = asyncio.run(_one(where, order.run))
    schema = record.asked.answer_schema
    show = Show(
        order.json, order.hops, schema_of(json.loads(schema)) if schema else None, started,
        order.checkpoint,
    )  # fmt: skip
    with own_stdout() as out, _agent(record, where) as agent:
        agent.fetch()
        return told(agent, lambda hear: go_on(agent, record, found.pending, hear), show, out)


def _agent(record: Record, where: Place) -> Agent:
    try:
        profile = record.profile.profile()
    except ValidationError as error:
        raise InputError(
            f"the profile of run {record.run} cannot be had any more: {error.errors()[0]['msg']}"
        ) from None
    return Agent(
        profile,
        tools=record.asked.tools or "none",
        budgets=record.budgets,
        gate=record.gate,
        checkpoint=f"{where.kind}:{where.where}",
        approve=record.approve or None,
    )


async def _looked_up(where: Place, run: str | None) -> list[Kept]:
    keeper = await opened(where, fresh=False)
    try:
        return await listed(keeper) if run is None else [(await _found(keeper, run))[1]]
    finally:
        await keeper.close()


async def _one(where: Place, run: str) -> tuple[Record, Kept]:
    keeper = await opened(where, fresh=False)
    try:
        return await _found(keeper, run)
    finally:
        await keeper.close()


async def _found(keeper: Keeper, run: str) -> tuple[Record, Kept]:
    record, result = await keeper.found(run)
    return record, await kept(record, result, keeper)


def _table(found: list[Kept], out: TextIO) -> None:
    """One line a run, the newest last; in a pipe with tabs between."""
    console = Console(file=out, highlight=False, emoji=False, markup=False)
    rows = [
        (
            one.run,
            f"{one.began.astimezone():%Y-%m-%d %H:%M}",
            one.question,
            condition(one),
            one.answer or "",
        )
        for one in found
    ]
    if not console.is_terminal:
        out.writelines(
            "\t".join(printable(" ".join(cell.split())) for cell in row) + "\n" for row in rows
        )
        return
    table = Table(box=None, pad_edge=False)
    for title in ("run", "when", "question", "state", "answer"):
        table.add_column(title, header_style="dim", no_wrap=title in ("run", "when"))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table if rows else Text("no runs are kept there", style="dim"))


def condition(one: Kept) -> str:
    """How far a run has come."""
    if one.state == "waiting":
        kinds = ", ".join(pending.action.kind for pending in one.pending)
        return f"waiting for approval of {kinds}"
    if one.state == "finished":
        branch = f", a fork of {one.fork.run} at hop {one.fork.hop}" if one.fork else ""
        return f"finished{branch}"
    return f"at hop {len(one.hops)}"


def _details(one: Kept, out: TextIO) -> None:
    """Everything about one run, as text."""
    lines = [f"{one.run}  {one.began.astimezone():%Y-%m-%d %H:%M:%S}  {condition(one)}"]
    lines += [f"image: {source or 'given as pixels'}" for source in one.images]
    lines.append(f"question: {one.question}")
    for number, hop in enumerate(one.hops, start=1):
        lines.append(f"{number:2} {asked(hop.instead or hop.action, {})}")
        lines += [f"   {line}" for line in came_back(hop.observation)]
    lines += [f" ? {waiting_line(pending)}" for pending in one.pending]
    lines += [f"answer: {one.answer}"] if one.answer is not None else []
    out.write("\n".join(printable(line) for line in lines) + "\n")
