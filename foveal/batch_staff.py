"""Whom a batch asks: one agent in this process, or many on Ray."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from foveal.agent.actions import PerceptionKind
from foveal.agent.pools import Pool, merged
from foveal.agent.profiles import Profile
from foveal.agent.settings import exported, settings
from foveal.graphs.agent import Agent
from foveal.graphs.batch import Answerer
from foveal.graphs.budgets import Budgets
from foveal.graphs.carriers import carrier
from foveal.graphs.crowd import Crowd, Hire, joined
from foveal.tools.catalogue import ENCODER, specialist_for
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

LOCAL = "local"
"""Instead of an address: a Ray that is started here, for this batch."""
HERE = "auto"
"""The address, for an agent, of the cluster that it is in."""
PATIENCE = 30.0
"""Seconds after which it is said that no agent is ready yet."""


@dataclass(frozen=True)
class Staff:
    """Everything needed to make the agents, which are all alike."""

    profile: Profile
    name: str | None
    """What the profile is called on every machine: its weights may lie elsewhere there. None: nothing."""
    tools: tuple[PerceptionKind, ...]
    budgets: Budgets
    trace_dir: Path | None
    hire: Hire
    ray: str | None = None
    """An address, LOCAL, or None for one agent in this process."""
    pools: Mapping[str, Pool] | None = None
    gate: float | None = None
    """How sure the model must be to answer without looking."""

    @property
    def in_flight(self) -> int:
        """Questions at the same time."""
        return self.hire.concurrency * (self.hire.agents if self.ray else 1)

    def make(self) -> Callable[[], Agent]:
        """Makes an agent in whatever process it is called in."""
        return partial(
            Agent,
            self.name or self.profile,
            ray=HERE if self.ray else None,
            pools=self.pools,
            tools=self.tools,
            budgets=self.budgets,
            gate=self.gate,
            trace_dir=self.trace_dir,
        )

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Answerer]:
        """An agent in this process, its model loaded."""
        agent = self.make()()
        try:
            await asyncio.to_thread(agent.fetch)
            await agent.aload()
            yield agent
        finally:
            await asyncio.to_thread(agent.close)

    @asynccontextmanager
    async def many(self, say: Callable[[str], None]) -> AsyncIterator[Crowd]:
        """Agents on Ray, some of which may still be starting; `say` is told when that takes long."""
        address = None if self.ray == LOCAL else self.ray
        with joined(address):
            async with self.specialists():
                crowd = Crowd(self.make(), self.hire, exported(settings()))
                waiting = asyncio.create_task(self._waited(crowd, say))
                try:
                    crowd.open()
                    yield crowd
                finally:
                    waiting.cancel()
                    await crowd.close()

    @asynccontextmanager
    async def specialists(self) -> AsyncIterator[None]:
        """Pools that the agents find by name, owned by this process, so that they outlive every agent."""
        with Agent(self.profile) as agent:
            await asyncio.to_thread(agent.fetch)
            profile = agent.profile
        pools = merged(profile.pools, self.pools or {})
        dispatcher = carrier(profile, ImageStore(), HERE, pools)
        assert isinstance(dispatcher, RayDispatcher)
        names = dict.fromkeys([ENCODER, *map(specialist_for, self.tools)]) if self.tools else ()
        try:
            for name in names:
                await asyncio.to_thread(dispatcher.pool, name)
            yield
        finally:
            await dispatcher.close()

    async def _waited(self, crowd: Crowd, say: Callable[[str], None]) -> None:
        await asyncio.sleep(PATIENCE)
        if not crowd.ready:
            needs = f"{self.hire.num_cpus:g} CPU and {self.hire.num_gpus:g} GPU"
            say(f"no agent is ready yet; each waits for {needs} and then loads its model")
