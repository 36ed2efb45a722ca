"""Many questions from a program: so many at once, and one that fails costs no other its answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from foveal.agent.errors import InputError
from foveal.graphs.result import Result
from foveal.graphs.schema import T
from foveal.tools.images import Images

AHEAD = 4
"""Answers kept for one that comes before them and takes longer: so many times those in flight."""

Pair = tuple[Images, str]
"""An image, or several, and a question."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of one of many questions: a result, or the error that it ended with."""

    number: int
    """Its place among the questions, from 0."""
    image: Images
    question: str
    came: Result[T] | Exception

    @property
    def error(self) -> Exception | None:
        """Why there is no result; None when there is one."""
        return self.came if isinstance(self.came, Exception) else None

    @property
    def result(self) -> Result[T]:
        """The result. Raises the error when there is none."""
        if isinstance(self.came, Exception):
            raise self.came
        return self.came


async def answers(
    load: Callable[[], Awaitable[object]],
    ask: Callable[[Images, str], Awaitable[Result[T]]],
    pairs: Sequence[Pair],
    at_once: int,
    in_order: bool,
) -> AsyncGenerator[Outcome[T], None]:
    """One outcome per pair, in their order or as they are had. Leaving it ends what is in flight.

    It asks as it is read: nothing more is begun than `at_once` questions, or kept than a few times as many.
    """
    await load()  # what every question would meet is told once
    waiting = list(enumerate(pairs))[::-1]
    live: set[asyncio.Task[Outcome[T]]] = set()
    done: dict[int, Outcome[T]] = {}
    told = 0
    try:
        while waiting or live:
            while waiting and len(live) < at_once and len(live) + len(done) < AHEAD * at_once:
                live.add(asyncio.create_task(_outcome(ask, *waiting.pop())))
            ended, live = await asyncio.wait(live, return_when=asyncio.FIRST_COMPLETED)
            done |= {task.result().number: task.result() for task in ended}
            for number in sorted(done):
                if in_order and number != told:
                    break
                told += 1
                yield done.pop(number)
    finally:
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)


def checked_width(at_once: int) -> int:
    """How many at once. Raises InputError for fewer than one."""
    if at_once < 1:
        raise InputError(f"at_once is {at_once}; give 1 or more")
    return at_once


async def _outcome(
    ask: Callable[[Images, str], Awaitable[Result[T]]], number: int, pair: Pair
) -> Outcome[T]:
    image, question = pair
    try:
        return Outcome(number, image, question, await ask(image, question))
    except Exception as error:  # of whatever kind: the others' answers do not depend on it
        return Outcome(number, image, question, error)
