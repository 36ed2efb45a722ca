"""Who may be asked next: agents that have time, and for a suspicious question one that has nothing else to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from foveal.agent.errors import FovealError


@dataclass(eq=False)
class Seat:
    """The agent in one place, until it dies."""

    clerk: Any
    """Whoever sits there."""
    load: int = 0
    """Questions in flight; one that is asked alone counts as many as the agent takes."""
    asked: int = 0
    """Questions in flight."""
    bugs: int = 0
    """Unexpected errors since its last answer."""
    dead: bool = False
    company: bool = False
    """Whether it had several questions in flight when it died."""


class Seats:
    """The agents that are ready, for one event loop."""

    def __init__(self, capacity: int) -> None:
        """`capacity` is how many questions each takes at the same time."""
        self._capacity = capacity
        self._seats: list[Seat] = []
        self._change = asyncio.Condition()
        self._suspects = 0
        self._failure: FovealError | None = None

    def __len__(self) -> int:
        return len(self._seats)

    async def add(self, seat: Seat) -> None:
        """It is ready."""
        async with self._change:
            self._seats.append(seat)
            self._change.notify_all()

    def bury(self, seat: Seat) -> bool:
        """It is dead. False when somebody has said so before."""
        if seat.dead:
            return False
        seat.dead, seat.company = True, seat.asked > 1
        self._seats.remove(seat)
        return True

    async def fail(self, error: FovealError) -> None:
        """There will never be another: whoever waits gets the reason."""
        async with self._change:
            self._failure = error
            self._change.notify_all()

    def clear(self) -> list[Seat]:
        """All of them, for the last time."""
        seats, self._seats = self._seats, []
        return seats

    @asynccontextmanager
    async def one(self, alone: bool) -> AsyncIterator[Seat]:
        """A seat, taken while the question is asked; with nobody else's question when it must be alone."""
        weight = self._capacity if alone else 1
        seat = await self._taken(alone, weight)
        try:
            yield seat
        finally:
            seat.load -= weight
            seat.asked -= 1
            async with self._change:
                self._change.notify_all()

    async def _taken(self, alone: bool, weight: int) -> Seat:
        async with self._change:
            self._suspects += alone
            try:
                found = await self._change.wait_for(lambda: self._failure or self._free(alone))
            finally:
                self._suspects -= alone
                self._change.notify_all()
            if not isinstance(found, Seat):
                raise self._failure or RuntimeError("waited for a seat or a failure, got neither")
            found.load += weight
            found.asked += 1
            return found

    def _free(self, alone: bool) -> Seat | None:
        """The least busy agent, if it has time. Suspects go first, or they would wait until the end."""
        if not self._seats or (self._suspects and not alone):
            return None
        seat = min(self._seats, key=lambda seat: seat.load)
        return seat if seat.load < (1 if alone else self._capacity) else None
