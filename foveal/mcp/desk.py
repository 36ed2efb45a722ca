"""What the tools do, before any of it is told to a client: one question, or one action on one image."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Area, Depth, Detect, Look, Perception, Read, Segment
from foveal.agent.errors import InputError, SpecialistError
from foveal.agent.observations import (
    Box,
    Detected,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.graphs.agent import Agent
from foveal.graphs.choices import Tools, chosen
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, Watcher, run
from foveal.graphs.schema import schema_of
from foveal.tools.base import Mark
from foveal.tools.catalogue import specialist_for
from foveal.tools.images import Pixels

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the original image."""
Seen = TypeVar("Seen", bound=Observation)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Query:
    """What `ask_image` is asked besides the image."""

    question: str
    schema: dict[str, Any] | None = None
    tools: Tools = None
    max_hops: int | None = None


@dataclass(frozen=True)
class Stored:
    """An image in the store while somebody looks at it, and what looks."""

    parts: Parts
    key: str
    width: int
    height: int

    async def seen(
        self, kind: type[Seen], action: Perception, regions: Sequence[Sides] = ()
    ) -> Seen:
        """What came back for one action on these regions, whose `index` counts from 1."""
        marks = [
            Mark(Box(image=self.key, xyxy=region), index=number)
            for number, region in enumerate(regions, start=1)
        ]
        observation = await self.parts.dispatcher.dispatch(action, self.key, marks)
        if not isinstance(observation, kind):
            raise SpecialistError(specialist_for(action.kind), f"it answers {observation.kind}")
        return observation

    def area(self, region: Sides) -> Area:
        """The same region as an action points at it."""
        x0, y0, x1, y1 = region
        return Area(
            x0=x0 / self.width, y0=y0 / self.height, x1=x1 / self.width, y1=y1 / self.height
        )


@dataclass(frozen=True)
class Desk:
    """Asks one agent on behalf of clients. The specialists that it asks are those of the agent's own runs."""

    agent: Agent

    async def ask(self, pixels: Pixels, query: Query, watch: Watcher) -> Result:
        """Answer a question. `watch` hears every event, in another thread; cancelling this ends the run."""
        schema = None if query.schema is None else schema_of(query.schema)

        async def work(parts: Parts) -> Result:
            return await run(
                query.question, pixels, self._limited(parts, query), watch, schema=schema
            )

        return await self.agent.awith(work)

    async def look(self, pixels: Pixels, region: Sides) -> Looked:
        """What a closer look at a region shows."""

        async def work(image: Stored) -> Looked:
            return await image.seen(Looked, Look(target=image.area(region)), [region])

        return await self._stored(pixels, work)

    async def detect(self, pixels: Pixels, phrase: str) -> Detected:
        """Everything that fits a phrase."""

        async def work(image: Stored) -> Detected:
            return await image.seen(Detected, Detect(phrase=phrase))

        return await self._stored(pixels, work)

    async def segment(self, pixels: Pixels, region: Sides) -> tuple[Segmented, NDArray[np.bool_]]:
        """The outline of what is in a box, and its mask of the image's (height, width)."""

        async def work(image: Stored) -> tuple[Segmented, NDArray[np.bool_]]:
            seen = await image.seen(Segmented, Segment(target=image.area(region)), [region])
            return seen, image.parts.store.array(seen.mask)

        return await self._stored(pixels, work)

    async def depth(
        self, pixels: Pixels, regions: Sequence[Sides]
    ) -> tuple[Ranged, NDArray[np.uint8] | None]:
        """How far the regions are, and how near everything is: (rows, columns) at the network's resolution."""

        async def work(image: Stored) -> tuple[Ranged, NDArray[np.uint8] | None]:
            action = Depth(targets=tuple(image.area(region) for region in regions))
            seen = await image.seen(Ranged, action, regions)
            return seen, image.parts.store.array(seen.map) if seen.map else None

        return await self._stored(pixels, work)

    async def read(self, pixels: Pixels, region: Sides | None) -> Recognised:
        """The text in a region, or anywhere in the image."""

        async def work(image: Stored) -> Recognised:
            if region is None:
                return await image.seen(Recognised, Read())
            return await image.seen(Recognised, Read(target=image.area(region)), [region])

        return await self._stored(pixels, work)

    async def _stored(
        self, pixels: Pixels, work: Callable[[Stored], Coroutine[object, object, Made]]
    ) -> Made:
        """Do something with an image, on the agent's loop, while the store keeps it."""

        async def done(parts: Parts) -> Made:
            key = await asyncio.to_thread(parts.store.put, pixels, pin=True)
            try:
                height, width, _ = pixels.shape
                return await work(Stored(parts, key, width, height))
            finally:
                parts.store.unpin(key)

        return await self.agent.awith(done)

    def _limited(self, parts: Parts, query: Query) -> Parts:
        """What a run works with, within what whoever started the server allows."""
        tools, budgets = parts.tools, parts.budgets
        if query.tools is not None:
            tools = chosen(query.tools, self.agent.profile)
        if refused := [kind for kind in tools if kind not in parts.tools]:
            has = ", ".join(parts.tools) or "none"
            raise InputError(f"no tool {refused[0]!r} is allowed here; allowed: {has}")
        if query.max_hops is not None:
            hops = min(query.max_hops, budgets.hops)
            budgets = budgets.model_copy(update={"hops": hops})
        return replace(parts, tools=tools, budgets=budgets)
