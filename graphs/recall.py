"""What a run saw, had again by a process that did not see it: kept in the parent's store, or looked at once more.

A transcript names features, masks and maps by their content; the arrays are in the agent's memory. LangGraph
hands a graph the store that its parent was compiled with, if any: the arrays are kept there until the run is
over. Without one the same specialist is asked the same again, where the model is about to be shown its picture.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langgraph.store.base import BaseStore

from foveal.agent.errors import InputError
from foveal.agent.observations import Observation
from foveal.agent.transcript import Observed, found_objects, opening_of
from foveal.graphs.durable.keeping import packed, pointed_at, restored
from foveal.graphs.resolve import resolve
from foveal.graphs.run import Parts
from foveal.graphs.sessions import Live, Sessions
from foveal.graphs.state import Entry

ROOT = "foveal"
"""The first part of the namespaces in the parent's store."""


@dataclass(frozen=True)
class Recall:
    """One run's memory beyond this process."""

    run: str
    parts: Parts
    store: BaseStore | None
    """The parent's."""

    @property
    def _place(self) -> tuple[str, str]:
        return ROOT, self.run

    async def keep(self, observation: Observation) -> None:
        """Keep what an observation points at. Keeping twice is fine."""
        for key in dict.fromkeys(pointed_at(observation)):
            if self.store is not None and key in self.parts.store:
                data = await asyncio.to_thread(packed, self.parts.store.array(key))
                value = {"array": b64encode(data).decode("ascii")}
                await asyncio.to_thread(self.store.put, self._place, key, value, index=False)

    async def back(self, transcript: Sequence[Entry]) -> None:
        """Have everything that a transcript points at. Raises InputError for what cannot be had again."""
        for seen, key in self._missing(transcript):
            if key not in self.parts.store and not await self._kept(key):
                await self._looked(transcript, seen)
        for seen, _ in self._missing(transcript):
            problem = f"what {seen.action.kind} saw cannot be had again"
            raise InputError(f"{problem}; ask again, and compile the parent graph with a store")

    async def forget(self) -> None:
        """The run is over."""
        if self.store is None:
            return
        while found := await asyncio.to_thread(self.store.search, self._place):
            for item in found:
                await asyncio.to_thread(self.store.delete, self._place, item.key)

    def _missing(self, transcript: Sequence[Entry]) -> Iterator[tuple[Observed, str]]:
        for entry in transcript:
            if isinstance(entry, Observed):
                for key in pointed_at(entry.observation):
                    if key not in self.parts.store:
                        yield entry, key

    async def _kept(self, key: str) -> bool:
        if self.store is None:
            return False
        item = await asyncio.to_thread(self.store.get, self._place, key)
        if item is None:
            return False
        restored(key, b64decode(item.value["array"]), self.parts.store)
        return True

    async def _looked(self, transcript: Sequence[Entry], seen: Observed) -> None:
        asked, objects = opening_of(transcript), found_objects(transcript)
        assert seen.action.kind != "answer"
        marks = resolve(seen.action, asked, objects)
        image = asked.picked(seen.image).image
        await self.parts.dispatcher.dispatch(seen.action, image, marks)


class Recalling(Sessions):
    """Sessions that see again what they are told of, also where another process saw it."""

    def __init__(self, recall: Recall) -> None:
        super().__init__(recall.parts.model, recall.parts.store)
        self._recall = recall

    async def at(self, run: str, transcript: list[Entry]) -> Live:
        """The run's session, having heard the whole transcript."""
        await self._recall.back(transcript)
        return await super().at(run, transcript)
