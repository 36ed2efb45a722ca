"""Which replica gets a request, decided where the request is made: no router process stands in between.

The power of two choices: of two replicas the less busy one is asked (Mitzenmacher, 2001), drawn at random or, for
specialists that remember images, by rendezvous hashing (Thaler and Ravishankar, 1998), so that an image returns to
where it is known. A replica takes only so many requests; callers wait for room, first come first served.
"""

import asyncio
import hashlib
import random
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["joining", "open", "away", "late", "dead"]
"""Loading for the first time; given work; died or out of reach; must prove that it is not stuck; gone for good."""


@dataclass(eq=False)
class Replica:
    """One actor as this process sees it."""

    key: str
    """Tells it from the others, also after it was replaced."""
    actor: Any
    mine: bool = True
    """Whether this process made it, and ends it."""
    state: State = "joining"
    outstanding: int = 0
    """Requests that it was sent and has not answered, however long ago that was."""
    reserved: bool = False
    """For one request alone."""
    death: BaseException | None = None
    """What its actor died of, once it is gone for good."""


@dataclass(eq=False)
class _Waiter:
    image: str
    alone: bool
    loop: asyncio.AbstractEventLoop
    told: "asyncio.Future[Replica | None]"
    granted: Replica | None = None


@dataclass
class Router:
    """The replicas of one pool and those who wait for them. Thread-safe; callers may have loops of their own."""

    replicas: list[Replica]
    room: int
    """Requests that one replica is sent before callers wait."""
    slack: int
    """How much busier than the second a favourite may be before it is passed over."""
    affine: bool = False
    """Whether an image has favourites."""
    _over: bool = False
    _waiting: deque[_Waiter] = field(default_factory=deque)
    _lock: Any = field(default_factory=threading.RLock)

    async def slot(self, image: str, alone: bool = False) -> Replica | None:
        """A replica that now counts one request more, or None when all are dead. Give it back with `leave`."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._gone():
                return None
            chosen = None if self._waiting else self._choose(image, alone)
            if chosen is not None:
                return self._take(chosen, alone)
            waiter = _Waiter(image, alone, loop, loop.create_future())
            self._waiting.append(waiter)
        try:
            return await waiter.told
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def leave(self, replica: Replica) -> None:
        """One of its requests is answered, or never will be."""
        with self._lock:
            replica.outstanding -= 1
            replica.reserved &= replica.outstanding > 0
            self._serve()

    def turn(self, replica: Replica, state: State) -> None:
        """It is now in this state; whoever waits may profit."""
        with self._lock:
            replica.state = state
            self._serve()

    def closed(self) -> list[Replica]:
        """Those that need care: they get no work, but are not given up."""
        with self._lock:
            return [one for one in self.replicas if one.state not in {"open", "dead"}]

    def end(self) -> None:
        """Nobody gets a replica any more, and nobody waits for one."""
        with self._lock:
            self._over = True
            self._serve()

    def _gone(self) -> bool:
        return self._over or all(one.state == "dead" for one in self.replicas)

    def _take(self, replica: Replica, alone: bool) -> Replica:
        replica.outstanding += 1
        replica.reserved = alone
        return replica

    def _choose(self, image: str, alone: bool) -> Replica | None:
        limit = 1 if alone else self.room
        able = [
            one
            for one in self.replicas
            if one.state == "open" and not one.reserved and one.outstanding < limit
        ]
        if len(able) < 2:
            return able[0] if able else None
        if self.affine:
            first, second = ranked(image, able)[:2]
            busier = first.outstanding > second.outstanding + self.slack
            return second if busier else first
        return min(random.sample(able, 2), key=lambda one: one.outstanding)

    def _serve(self) -> None:
        """Grant what the longest waiting can get; nobody overtakes."""
        while self._waiting:
            waiter, gone = self._waiting[0], self._gone()
            chosen = None if gone else self._choose(waiter.image, waiter.alone)
            if chosen is None and not gone:
                return
            self._waiting.popleft()
            waiter.granted = chosen and self._take(chosen, waiter.alone)
            try:
                waiter.loop.call_soon_threadsafe(_tell, waiter)
            except RuntimeError:  # its loop is closed: nobody waits
                self._return(waiter)

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._lock:
            with suppress(ValueError):
                self._waiting.remove(waiter)
            self._return(waiter)
            self._serve()

    def _return(self, waiter: _Waiter) -> None:
        if waiter.granted is not None:
            waiter.granted.outstanding -= 1
            waiter.granted.reserved &= waiter.granted.outstanding > 0


def ranked(image: str, replicas: Iterable[Replica]) -> list[Replica]:
    """The same order for an image wherever it is computed; one replica less moves only that one's images."""
    return sorted(replicas, key=lambda one: hashlib.sha256(f"{image} {one.key}".encode()).digest())


def _tell(waiter: _Waiter) -> None:
    if not waiter.told.done():
        waiter.told.set_result(waiter.granted)
