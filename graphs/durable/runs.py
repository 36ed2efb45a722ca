"""An agent's kept runs: which there are, going on with one, and branching off one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from foveal.agent.errors import InputError
from foveal.agent.observations import Observation
from foveal.agent.profiles import Profile
from foveal.graphs.approval import Pending, approvals
from foveal.graphs.durable.forking import fork
from foveal.graphs.durable.keeper import Keeper, opened, pending_in
from foveal.graphs.durable.place import MEMORY, Place, place_of
from foveal.graphs.durable.record import Chosen, Record
from foveal.graphs.durable.resuming import Load, Said, Wanted, resume
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.result import Fork, Hop, Result
from foveal.graphs.run import Parts, Watcher
from foveal.graphs.schema import T, schema_of
from foveal.graphs.schema import Wanted as WantedSchema
from foveal.tools.images import Images

Condition = Literal["finished", "waiting", "unfinished"]
"""Waiting is for a person; a run that is under way is unfinished, as one that was cut off is."""


class Kept(BaseModel):
    """A run, as a list of runs shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    began: datetime
    question: str
    images: tuple[str | None, ...]
    """Where each image comes from; None for what was piped in or given as pixels."""
    profile: str
    state: Condition
    hops: tuple[Hop, ...] = ()
    pending: tuple[Pending, ...] = ()
    """What waits for a person."""
    answer: str | None = None
    """None while it is not finished."""
    fork: Fork | None = None
    """Where it branched off another run."""


class Runs:
    """What `Agent.runs` is."""

    def __init__(
        self,
        checkpoint: str | None,
        approve: str | Iterable[str] | None,
        parts: Callable[[], Awaitable[Parts]],
        load: Load,
        loop: BackgroundLoop,
    ) -> None:
        """Where they are kept, as `place_of` reads it, and what a person is asked about.

        Runs that wait for a person and are kept nowhere are kept until the agent is closed.
        """
        self._approve = approvals(approve)
        self._place = place_of(checkpoint) if checkpoint else None
        if self._approve and self._place is None:
            self._place = Place("sqlite", MEMORY)
        self._parts, self._load, self._loop = parts, load, loop
        self._keeper: Keeper | None = None
        self._opening = asyncio.Lock()

    def all(self) -> list[Kept]:
        """Every run that is kept, the oldest first. Raises InputError where none are."""
        return self._loop.wait(self._listed())

    def resume(
        self,
        run: str,
        said: Said = None,
        *,
        images: Images | None = None,
        schema: WantedSchema[T] | None = None,
        watch: Watcher | None = None,
    ) -> Result[T]:
        """Go on with a run that was cut off, or that waits for a person who has decided.

        `images` are needed where they are not where they were; they must hold the same pixels. What a specialist
        has answered is not asked again. Raises ApprovalNeeded while the run waits and nobody has decided.
        """
        return self._loop.wait(self._resumed(run, said, self._wanted(images, schema, watch)))

    async def aresume(
        self,
        run: str,
        said: Said = None,
        *,
        images: Images | None = None,
        schema: WantedSchema[T] | None = None,
        watch: Watcher | None = None,
    ) -> Result[T]:
        """The same, for use with `await`."""
        resumed = self._resumed(run, said, self._wanted(images, schema, watch))
        return await asyncio.wrap_future(self._loop.submit(resumed))

    def fork(
        self,
        run: str,
        hop: int,
        observation: Observation | Any = None,
        *,
        images: Images | None = None,
        schema: WantedSchema[T] | None = None,
        watch: Watcher | None = None,
    ) -> Result[T]:
        """Begin another run that has everything up to a hop, from 1, of this one, and go on from there.

        `observation`, or its JSON, takes the place of what came back at that hop. The run itself stays as it is.
        """
        wanted = self._wanted(images, schema, watch)
        return self._loop.wait(self._forked(run, hop, observation, wanted))

    async def afork(
        self,
        run: str,
        hop: int,
        observation: Observation | Any = None,
        *,
        images: Images | None = None,
        schema: WantedSchema[T] | None = None,
        watch: Watcher | None = None,
    ) -> Result[T]:
        """The same, for use with `await`."""
        forked = self._forked(run, hop, observation, self._wanted(images, schema, watch))
        return await asyncio.wrap_future(self._loop.submit(forked))

    async def aall(self) -> list[Kept]:
        """Every run that is kept, for use with `await`."""
        return await asyncio.wrap_future(self._loop.submit(self._listed()))

    async def keeper(self) -> Keeper | None:
        """The open database, if there is one. Only on the agent's own loop."""
        async with self._opening:
            if self._keeper is None and self._place is not None:
                self._keeper = await opened(self._place)
            return self._keeper

    async def keeping(self, parts: Parts, profile: Profile) -> Parts:
        """What a run works with, and where it is kept, if anywhere."""
        keeper = await self.keeper()
        if keeper is None:
            return parts
        return replace(parts, keeper=keeper, approve=self._approve, chosen=Chosen.of(profile))

    async def close(self) -> None:
        """Let go of the database."""
        if self._keeper is not None:
            await self._keeper.close()
        self._keeper = None

    async def _listed(self) -> list[Kept]:
        keeper = await self.keeper()
        if keeper is None:
            raise InputError("this agent keeps no runs; make it with checkpoint='sqlite:runs.db'")
        return await listed(keeper)

    async def _resumed(self, run: str, said: Said, wanted: Wanted) -> Result[Any]:
        return await resume(run, await self._parts(), wanted, said)

    async def _forked(self, run: str, hop: int, other: Any, wanted: Wanted) -> Result[Any]:
        return await fork(run, hop, await self._parts(), wanted, other)

    def _wanted(
        self, images: Images | None, schema: WantedSchema[Any] | None, watch: Watcher | None
    ) -> Wanted:
        form = None if schema is None else schema_of(schema)
        return Wanted(self._load, images, form, watch)


async def listed(keeper: Keeper) -> list[Kept]:
    """Every run that is kept, the oldest first."""
    return [await kept(record, result, keeper) for record, result in await keeper.all()]


async def kept(record: Record, result: Result | None, keeper: Keeper) -> Kept:
    """A run and how far it has come."""
    seen: dict[str, Any] = {
        "run": record.run,
        "began": record.began,
        "question": record.asked.question,
        "images": record.sources,
        "profile": record.profile.called,
        "fork": record.fork,
    }
    if result is not None:
        return Kept(**seen, state="finished", hops=result.hops, answer=result.answer)
    state = await keeper.state(record.run)
    pending = pending_in(state.interrupts)
    hops = tuple(state.values.get("hops", ()))
    return Kept(**seen, state="waiting" if pending else "unfinished", hops=hops, pending=pending)
