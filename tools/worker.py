"""One specialist in one process, asked by many: what arrives while it works becomes its next batch.

It knows nothing of Ray. The specialist is loaded once and lives in a thread of its own; `run` belongs to
one event loop, everything else may be called from another, so that a worker at work still says how it is.
Errors are answers here, so that they cross between processes as they are.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Perception
from foveal.agent.errors import FovealError, SpecialistError
from foveal.agent.pools import Pool
from foveal.tools.base import Mark, Request, Specialist
from foveal.tools.batches import Batches, Outcome
from foveal.tools.cache import ByteLRU
from foveal.tools.catalogue import Factory
from foveal.tools.dispatch import described, load
from foveal.tools.gauges import Health, Meter, Stats

DROPPED = 4096
"""Tickets remembered that were dropped before their request arrived."""


@dataclass
class _Entry:
    """A request that waits, and who waits for it."""

    request: Request
    alone: bool
    outcome: asyncio.Future[Outcome]
    arrived: float = field(default_factory=time.monotonic)


class Worker:
    """Batches requests for one specialist."""

    def __init__(self, name: str, factory: Factory, pool: Pool | None = None) -> None:
        """Starts loading at once."""
        self._name, self._factory, self._pool = name, factory, pool or Pool()
        self._lane = ThreadPoolExecutor(1, f"foveal-{name}")
        self._batches: Batches | None = None
        self._waiting: OrderedDict[str, _Entry] = OrderedDict()
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._meter, self._running = Meter(), 0
        self._about, self._free = (
            0,
            0.0,
        )  # requests in sight when the last batch ended, and when that was
        self._drain: asyncio.Task[None] | None = None
        self._more: asyncio.Event | None = None
        self._loaded: Future[FovealError | None] = self._lane.submit(self._load)

    async def run(
        self,
        action: Perception,
        image: str,
        marks: tuple[Mark, ...],
        pixels: NDArray[np.uint8],
        ticket: str = "",
        alone: bool = False,
    ) -> Outcome:
        """Answer one request together with whatever else waits, or `alone` if it may be what kills a batch."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        entry = _Entry(Request(action, image, pixels, marks), alone, outcome)
        if not self._enter(ticket or str(id(entry)), entry):
            return self._given_up()
        if self._drain is None or self._drain.done():
            self._more = asyncio.Event()
            self._drain = asyncio.create_task(self._drained(self._more))
        elif self._more is not None:
            self._more.set()
        return await outcome

    async def drop(self, ticket: str) -> None:
        """Nobody waits for this request any more. One that is running is finished all the same."""
        with self._lock:
            entry = self._waiting.pop(ticket, None)
            if entry is None:
                self._dropped[ticket] = None
                while len(self._dropped) > DROPPED:
                    self._dropped.popitem(last=False)
        if entry is not None:
            entry.outcome.get_loop().call_soon_threadsafe(_tell, entry, self._given_up())

    async def ready(self) -> FovealError | None:
        """Wait until the specialist is loaded; the error is what prevents it."""
        return await asyncio.shield(asyncio.wrap_future(self._loaded))

    async def health(self) -> Health:
        """Whether it may be given work."""
        return Health(len(self._waiting), self._running, self._meter.finished)

    async def declared(self) -> Pool:
        """What it was started with."""
        return self._pool

    async def stats(self) -> Stats:
        """How it has done since it started."""
        batches, caches = self._batches, self._caches()
        return Stats(
            waiting=len(self._waiting),
            running=self._running,
            answered=self._meter.answered,
            failed=self._meter.failed,
            batches=dict(self._meter.batches),
            seconds=list(self._meter.seconds),
            hits=sum(cache.hits for cache in caches),
            misses=sum(cache.misses for cache in caches),
            cached_bytes=sum(cache.nbytes for cache in caches),
            out_of_memory=batches.out_of_memory if batches else 0,
            largest=batches.largest if batches else self._pool.max_batch,
        )

    def _given_up(self) -> FovealError:
        return SpecialistError(self._name, "nobody waits for it any more")

    def _failed(self, error: BaseException) -> FovealError:
        return SpecialistError(self._name, described(error))

    def _caches(self) -> list[ByteLRU[object]]:
        """Specialists keep what they remember in attributes; none has to report it."""
        specialist = self._batches.specialist if self._batches else None
        own = getattr(getattr(specialist, "inner", specialist), "__dict__", {})
        return [value for value in own.values() if isinstance(value, ByteLRU)]

    def _enter(self, ticket: str, entry: _Entry) -> bool:
        with self._lock:
            if ticket in self._dropped:
                del self._dropped[ticket]
                return False
            self._waiting[ticket] = entry
            return True

    async def _drained(self, more: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gathered(more)
            batch = self._taken()
            if batch:
                outcomes = await loop.run_in_executor(self._lane, self._answered, batch)
                self._settle(batch, outcomes)

    async def _gathered(self, more: asyncio.Event) -> None:
        """Wait for as many as were about when the last batch ended, but no longer than allowed.

        Whoever was just answered often asks again at once: the time counts from then, so that a batch does
        not leave half full because its oldest request waited while the one before it was answered.
        """
        while 0 < len(self._waiting) < min(self._about, self._largest()):
            oldest = next(iter(self._waiting.values()), None)
            if oldest is None or oldest.alone:
                return
            left = (
                max(oldest.arrived, self._free) + self._pool.max_wait_ms / 1000 - time.monotonic()
            )
            more.clear()
            try:
                await asyncio.wait_for(more.wait(), left)
            except TimeoutError:
                return

    def _largest(self) -> int:
        return self._batches.largest if self._batches else self._pool.max_batch

    def _taken(self) -> list[_Entry]:
        """The oldest requests; one that must be alone is taken when its turn comes."""
        taken: list[_Entry] = []
        with self._lock:
            while self._waiting and len(taken) < self._largest():
                ticket, entry = next(iter(self._waiting.items()))
                if taken and (entry.alone or taken[0].alone):
                    break
                taken.append(self._waiting.pop(ticket))
            self._running = len(taken)
        return taken

    def _answered(self, batch: list[_Entry]) -> list[Outcome]:
        """In the specialist's thread."""
        refusal = self._load() if self._batches is None else None
        if refusal is not None or self._batches is None:
            return [refusal or self._given_up() for _ in batch]
        try:
            return self._batches.answers([entry.request for entry in batch])
        except BaseException as error:  # whatever it is, nobody may wait for ever
            return [self._failed(error) for _ in batch]

    def _load(self) -> FovealError | None:
        """In the specialist's thread. An error is tried again with the next batch."""
        try:
            specialist = load(self._name, self._warm)
        except BaseException as error:  # whatever it is, it is told to whoever asks
            return error if isinstance(error, FovealError) else self._failed(error)
        self._batches = Batches(self._name, specialist, self._pool.max_batch)
        return None

    def _warm(self) -> Specialist:
        _limit_memory(self._pool.memory_fraction)
        specialist = self._factory()
        specialist.warm_up()
        return specialist

    def _settle(self, batch: list[_Entry], outcomes: list[Outcome]) -> None:
        now, self._running = time.monotonic(), 0
        self._free, self._about = now, len(batch) + len(self._waiting)
        failed = sum(isinstance(outcome, FovealError) for outcome in outcomes)
        self._meter.note([now - entry.arrived for entry in batch], failed)
        for entry, outcome in zip(batch, outcomes, strict=True):
            _tell(entry, outcome)


def _tell(entry: _Entry, outcome: Outcome) -> None:
    if not entry.outcome.done():
        entry.outcome.set_result(outcome)


def _limit_memory(share: float | None) -> None:
    """Of the GPU that this process sees, if there is one."""
    if share is None:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)
