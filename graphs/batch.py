"""Many questions at once, put to whoever answers: so many in flight, each one's outcome kept as it comes."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from foveal.agent.errors import FovealError, SetupError
from foveal.graphs.query import Query, Unreadable
from foveal.graphs.result import Result
from foveal.tools.images import Images

T = TypeVar("T")
Verdict = Literal["right", "wrong", "no_answer"]
Judge = Callable[[str, Sequence[str]], Verdict]
"""What an answer is worth, given the answers that would be right."""

HOPELESS = 50
"""Unexpected failures, one after the other, after which the rest is not tried."""
TRACEBACK = 4000
"""Characters kept of where an unexpected failure came from: its end says most."""


class Answerer(Protocol):
    """Whoever is asked; an Agent is one, and a Crowd of them."""

    async def aask(self, image: Images, question: str) -> Result:
        """Answer a question about an image, or several."""


@dataclass(frozen=True)
class Answered:
    """A question, and what came of it."""

    query: Query
    result: Result
    verdict: Verdict | None = None
    """None when nobody knows the right answer."""


@dataclass(frozen=True)
class Failure:
    """A question that could not be asked or answered."""

    query: Query | Unreadable
    kind: str
    """The error's class."""
    reason: str
    where: str = ""
    """The traceback, when nobody expected the error."""


Outcome = Answered | Failure
Keep = Callable[[Sequence[Outcome]], None]
"""Puts outcomes where they last; called in a thread, never twice at the same time."""


class Batch:
    """Asks until there are no more questions. One use."""

    def __init__(
        self,
        answerer: Answerer,
        keep: Keep,
        *,
        in_flight: int = 8,
        judge: Judge | None = None,
        watch: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        """`watch` is told of every outcome after it was kept."""
        self._answerer, self._keep, self._in_flight = answerer, keep, in_flight
        self._judge, self._watch = judge, watch
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._waiting: list[Outcome] = []
        self._winding_down = False
        self._unexpected = 0

    async def run(self, queries: Iterator[Query | Unreadable]) -> None:
        """Ask everything. Cancelling it drops what is in flight and keeps what was answered.

        What fails is kept as a failure, and the rest goes on. Raises SetupError for what every question
        would meet, and when too many in a row fail unexpectedly.
        """
        workers = [asyncio.create_task(self._work(queries)) for _ in range(self._in_flight)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._write()

    def wind_down(self) -> None:
        """Ask nothing more; `run` returns when what is in flight has been answered."""
        self._winding_down = True

    async def _work(self, queries: Iterator[Query | Unreadable]) -> None:
        while (query := await self._next(queries)) is not None:
            outcome = await self._outcome(query)
            self._waiting.append(outcome)
            await _to_its_end(self._write())

    async def _next(self, queries: Iterator[Query | Unreadable]) -> Query | Unreadable | None:
        async with self._reading:
            if self._winding_down:
                return None
            return await _to_its_end(asyncio.to_thread(next, queries, None))

    async def _outcome(self, query: Query | Unreadable) -> Outcome:
        if isinstance(query, Unreadable):
            return Failure(query, "InputError", query.reason)
        try:
            result = await self._answerer.aask(query.image, query.question)
        except SetupError:
            raise
        except FovealError as error:
            return Failure(query, type(error).__name__, str(error))
        except Exception as error:  # a bug: told as one, but a night's work does not end with it
            return self._unforeseen(query, error)
        self._unexpected = 0
        judged = self._judge(result.answer, query.truths) if self._judge and query.truths else None
        return Answered(query, result, judged)

    def _unforeseen(self, query: Query, error: Exception) -> Failure:
        where = "".join(traceback.format_exception(error))[-TRACEBACK:]
        reason = " ".join(str(error).split()) or "no message"
        self._unexpected += 1
        if self._unexpected >= HOPELESS:
            told = f"{type(error).__name__}: {reason}"
            problem = f"{HOPELESS} questions in a row failed, the last with {told}"
            raise SetupError(problem, "see failures.jsonl, and try one with `agent run`") from error
        return Failure(query, type(error).__name__, reason, where)

    async def _write(self) -> None:
        """Keep what waits to be kept: the first to come writes for all who came meanwhile."""
        async with self._writing:
            taken, self._waiting = self._waiting, []
            if taken:
                await asyncio.to_thread(self._keep, taken)
                for outcome in taken:
                    self._watch(outcome)


async def _to_its_end(work: Awaitable[T]) -> T:
    """Wait for something that must not be left half done; a cancellation takes effect after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
