"""An open database of runs: LangGraph's checkpoints, and beside them what else a fresh process needs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from foveal.agent.errors import InputError
from foveal.agent.observations import Observation
from foveal.agent.transcript import Asked
from foveal.graphs.approval import ApprovalNeeded, Pending
from foveal.graphs.context import Context
from foveal.graphs.course import Decisions
from foveal.graphs.durable.hold import held
from foveal.graphs.durable.keeping import packed, pointed_at, restored
from foveal.graphs.durable.place import Place, troubles
from foveal.graphs.durable.record import Record, record_of
from foveal.graphs.durable.tables import Tables
from foveal.graphs.result import Result
from foveal.graphs.state import Reply, Request
from foveal.tools.extras import needs
from foveal.tools.store import ImageStore

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot

LAST = "last"
"""The run that was begun last, instead of its id."""


class Keeper:
    """Where runs are kept while they are under way, and found again."""

    def __init__(
        self, place: Place, graph: Any, tables: Tables, connections: AsyncExitStack
    ) -> None:
        """`opened` makes one."""
        self.place = place
        self.graph = graph
        self._tables, self._connections = tables, connections

    async def begin(self, record: Record) -> None:
        """A run begins."""
        with troubles(self.place):
            await self._tables.begin(record.run, record.model_dump_json())

    def held(self, run: str) -> Any:
        """An asynchronous context in which no other process goes on with the run; InputError if one does."""
        return held(run, self.place, self._tables)

    async def finish(self, result: Result) -> None:
        """A run is over."""
        with troubles(self.place):
            await self._tables.finish(result.run, result.model_dump_json())

    async def found(self, run: str) -> tuple[Record, Result | None]:
        """A run by its id or the beginning of it, or the LAST. Raises InputError when it is not there."""
        runs = await self.all() if run == LAST else []
        if runs:
            return runs[-1]
        with troubles(self.place):
            row = await self._tables.found(run) or await self._beginning(run)
        record, result = row
        return record_of(record), None if result is None else Result.model_validate_json(result)

    async def all(self) -> list[tuple[Record, Result | None]]:
        """Every run, the oldest first."""
        with troubles(self.place):
            rows = await self._tables.all()
        runs = [
            (record_of(record), None if result is None else Result.model_validate_json(result))
            for record, result in rows
        ]
        return sorted(runs, key=lambda run: run[0].began)

    async def state(self, thread: str) -> "StateSnapshot":
        """A thread's latest checkpoint; without values when there is none."""
        with troubles(self.place):
            found: StateSnapshot = await self.graph.aget_state(_config(thread))
        return found

    async def history(self, thread: str) -> "list[StateSnapshot]":
        """A thread's checkpoints, the oldest first."""
        with troubles(self.place):
            found = [state async for state in self.graph.aget_state_history(_config(thread))]
        return found[::-1]

    async def begin_from(
        self, record: Record, values: Mapping[str, Any], node: str, seen: str
    ) -> None:
        """A run begins as if a node had left these values; what its hops point at is kept for the run `seen`."""
        await self.begin(record)
        with troubles(self.place):
            await self._tables.copy(seen, record.run)
            await self.graph.aupdate_state(_config(record.run), values, as_node=node)

    async def advance(
        self, thread: str, request: Request, context: Context, steps: int, decisions: Decisions
    ) -> Reply:
        """Bring a thread to its end, from wherever it is. Raises ApprovalNeeded where it waits for a person."""
        state = await self.state(thread)
        if "result" in state.values and not state.next:
            return cast(Reply, state.values)
        with troubles(self.place):
            reply = await self.graph.ainvoke(
                _entry(state, request, decisions),
                _config(thread) | {"recursion_limit": steps},
                context=context,
                durability="sync",  # a hop that the next turn builds on is on the disk
            )
        waiting = pending_in(reply.get("__interrupt__", ()))
        if waiting:
            raise ApprovalNeeded(request["run"], waiting)
        return cast(Reply, reply)

    def keeping(
        self, run: str, asked: Asked, store: ImageStore
    ) -> Callable[[Observation], Awaitable[None]]:
        """What keeps the arrays that an observation points at; the originals can be had elsewhere."""
        originals = {one.image for one in asked.images}

        async def keep(observation: Observation) -> None:
            for key in dict.fromkeys(pointed_at(observation)):
                if key not in originals and key in store:
                    data = await asyncio.to_thread(packed, store.array(key))
                    await self._tables.keep(run, key, data)

        return keep

    async def restore(self, run: str, store: ImageStore) -> None:
        """Put what the run's hops point at back into a store."""
        with troubles(self.place):
            kept = await self._tables.kept(run)
        for key, data in kept:
            await asyncio.to_thread(restored, key, data, store)

    async def close(self) -> None:
        """Let go of the database. Closing twice is fine."""
        await self._connections.aclose()

    async def _beginning(self, run: str) -> tuple[str, str | None]:
        names = await self._tables.names(run) if run else []
        if len(names) == 1:
            row = await self._tables.found(names[0])
            assert row is not None
            return row
        known = f"{len(names)} runs begin so; write more of the id" if names else _KNOWN
        raise InputError(f"no run {run!r} in {self.place}; {known.format(place=self.place)}")


_KNOWN = "`agent runs --checkpoint {place}` lists them"


async def opened(place: Place, fresh: bool = True) -> Keeper:
    """Open a database of runs; unless `fresh`, one that is there. Raises InputError and SetupError."""
    if place.absent and not fresh:
        raise InputError(f"no runs are kept in {place}: there is no such file; check the path")
    connections = AsyncExitStack()
    try:
        with troubles(place), needs("checkpoints"):
            from foveal.graphs.build import build
            from foveal.graphs.checkpoints import saver_of

            saver = await connections.enter_async_context(saver_of(place))
            tables = Tables(saver, place.kind == "postgres")
            await tables.setup()
            return Keeper(place, build(saver), tables, connections)
    except BaseException:
        await connections.aclose()
        raise


def pending_in(interrupts: Any) -> tuple[Pending, ...]:
    """What LangGraph's interrupts wait for, in the order written."""
    waiting = [Pending.model_validate({**one.value, "id": one.id}) for one in interrupts]
    return tuple(sorted(waiting, key=lambda one: one.position))


def _entry(state: "StateSnapshot", request: Request, decisions: Decisions) -> Any:
    """What the graph is invoked with: the request where it has not begun, else nothing, or what was decided."""
    if not state.values:
        return request
    if not decisions:
        return None
    from langgraph.types import Command

    return Command(resume={key: one.model_dump(mode="json") for key, one in decisions.items()})


def _config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}
