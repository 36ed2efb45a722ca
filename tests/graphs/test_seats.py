"""Nobody is given too much, suspects go first and alone, and whoever waits for nothing is told."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from foveal.agent.errors import SetupError
from foveal.graphs.seats import Seat, Seats


async def seats_of(count: int, capacity: int) -> tuple[Seats, list[Seat]]:
    seats, all_ = Seats(capacity), [Seat(n) for n in range(count)]
    for seat in all_:
        await seats.add(seat)
    return seats, all_


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Asking:
    """A question that is asked until it is told to end."""

    def __init__(self, seats: Seats, alone: bool = False) -> None:
        self._seat: Seat | None = None
        self._seats, self._alone, self._over = seats, alone, asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def got(self) -> Seat | None:
        """The seat, once it has one."""
        return self._seat

    async def _run(self) -> None:
        async with self._seats.one(self._alone) as self._seat:
            await self._over.wait()

    async def end(self) -> None:
        self._over.set()
        await self.task
        await settle()


async def test_the_least_busy_is_asked_and_none_too_much() -> None:
    seats, (one, other) = await seats_of(2, 2)
    async with AsyncExitStack() as stack:
        for expected in ([1, 0], [1, 1], [2, 1], [2, 2]):
            await stack.enter_async_context(seats.one(False))
            assert sorted((one.load, other.load)) == sorted(expected)
        fifth = Asking(seats)
        await settle()
        assert fifth.got() is None
    await settle()
    assert fifth.got() is not None
    await fifth.end()
    assert (one.load, one.asked, other.load, other.asked) == (0, 0, 0, 0)


async def test_a_suspect_is_alone_and_goes_before_newcomers() -> None:
    seats, (seat,) = await seats_of(1, 3)
    first = Asking(seats)
    await settle()
    suspect, newcomer = Asking(seats, alone=True), Asking(seats)
    await settle()
    assert (suspect.got(), newcomer.got()) == (None, None)
    await first.end()
    assert (suspect.got(), newcomer.got()) == (seat, None)
    assert (seat.asked, seat.load) == (1, 3)
    await suspect.end()
    assert newcomer.got() is seat
    await newcomer.end()


async def test_a_suspect_that_gives_up_lets_the_others_go_on() -> None:
    seats, (seat,) = await seats_of(1, 2)
    first = Asking(seats)
    await settle()
    suspect, newcomer = Asking(seats, alone=True), Asking(seats)
    await settle()
    suspect.task.cancel()
    await settle()
    assert newcomer.got() is seat
    await first.end()
    await newcomer.end()


@pytest.mark.parametrize(("count", "company"), [(1, False), (2, True)])
async def test_the_dead_are_asked_no_more_and_had_company_or_not(count: int, company: bool) -> None:
    seats, (seat,) = await seats_of(1, 4)
    asking = [Asking(seats) for _ in range(count)]
    await settle()
    assert seats.bury(seat)
    assert not seats.bury(seat)
    assert (seat.company, len(seats)) == (company, 0)
    for each in asking:
        await each.end()
    late = Asking(seats)
    await settle()
    assert late.got() is None
    await seats.add(Seat("new"))
    await settle()
    assert late.got() is not None
    await late.end()


async def test_whoever_waits_for_nobody_gets_the_reason() -> None:
    seats, _ = await seats_of(0, 1)
    waiting = [Asking(seats), Asking(seats, alone=True)]
    await settle()
    await seats.fail(SetupError("weights are missing", "reinstall"))
    for each in (*waiting, Asking(seats)):
        with pytest.raises(SetupError, match="weights are missing"):
            await each.task
