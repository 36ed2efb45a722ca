"""How much the door lets in at once: bytes of a body, questions in flight, questions that wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.requests import Request

from foveal.http.refusals import Refusal

RETRY = 2
"""Seconds after which a client that was sent away may try again."""


@dataclass(frozen=True)
class Limits:
    """What one server takes on."""

    in_flight: int = 8
    """Questions that are being answered."""
    queue: int = 32
    """Questions beyond those that wait for their turn."""
    body: int = 32 * 2**20
    """Bytes of one request."""
    seconds: float = 300.0
    """After which a question must be answered: the model is told to, and `GRACE` later the request is given up."""


GRACE = 30.0
"""Seconds that the last turn has, and the waiting before the first."""


async def body(request: Request, limit: int) -> bytes:
    """The body of a request for JSON. Raises Refusal for anything else and for one that is too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a page elsewhere can make a browser send other kinds unasked
        raise Refusal(415, "the body must be JSON: send `Content-Type: application/json`")
    too_large = Refusal(
        413,
        f"the body is larger than {limit / 2**20:g} MiB; send a smaller image",
        code="too_large",
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > limit:
            raise too_large
    return bytes(read)


class Admission:
    """Lets so many questions in and so many wait, first come first served."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def running(self) -> int:
        """Questions that are being answered."""
        return self._running

    @property
    def waiting(self) -> int:
        """Questions that wait for their turn."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for one question. Raises Refusal when too many wait, and when the server is stopping."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    def close(self) -> None:
        """Let nobody in any more; those who wait are sent away."""
        self._closed = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(_stopping())
        self._waiting.clear()

    async def _enter(self) -> None:
        if self._closed:
            raise _stopping()
        if self._running < self._limits.in_flight:
            self._running += 1
            return
        if len(self._waiting) >= self._limits.queue:
            raise Refusal(
                429,
                f"{self._limits.in_flight} questions are being answered and {len(self._waiting)} wait; try again",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(RETRY)},
            )
        await self._turn()

    async def _turn(self) -> None:
        """Wait for a place, which whoever leaves hands over."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._waiting.remove(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()  # the place came as its taker went
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1


def _stopping() -> Refusal:
    return Refusal(
        503, "the server is stopping", code="stopping", headers={"Retry-After": str(RETRY)}
    )
