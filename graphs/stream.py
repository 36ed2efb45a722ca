"""What an agent hands out one by one, read from anywhere: with `for` in a program, `async for` in a coroutine.

The work is done on the agent's own loop, by an asynchronous generator; this is its two faces.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Generic, TypeVar

from foveal.graphs.closing import Closing
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.result import Result
from foveal.graphs.trace import Event

T = TypeVar("T", covariant=True)


class Stream(Closing, Generic[T]):
    """An iterator and an asynchronous iterator; nothing begins before it is first read.

    Who leaves it early ends the work: by `close` or `aclose`, at the end of a `with`, or by letting go of it.
    """

    def __init__(self, loop: BackgroundLoop, source: AsyncGenerator[T, None]) -> None:
        """`source` is only ever run on the loop."""
        self._loop, self._source = loop, source

    def __iter__(self) -> "Stream[T]":
        return self

    def __next__(self) -> T:
        for item in self._loop.wait(self._step()):
            return item
        raise StopIteration

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        for item in await asyncio.wrap_future(self._loop.submit(self._step())):
            return item
        raise StopAsyncIteration

    def close(self) -> None:
        """End the work. Closing twice is fine."""
        with suppress(RuntimeError):  # the agent is closed, and so is this
            self._loop.wait(self._ended())

    async def aclose(self) -> None:
        """The same, for use with `await`."""
        with suppress(RuntimeError):
            await asyncio.wrap_future(self._loop.submit(self._ended()))

    async def _step(self) -> tuple[T, ...]:
        """The next one; nothing at the end, because no future may hold a StopIteration."""
        async for item in self._source:
            return (item,)
        return ()

    async def _ended(self) -> None:
        await self._source.aclose()


async def told(
    run: Callable[[Callable[[Event], None]], Coroutine[object, object, Result]],
) -> AsyncGenerator[Event, None]:
    """The events of a run as they happen, which may be told from any thread. Leaving it ends the run."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

    def hand_over(event: Event | None) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, event)

    task = asyncio.create_task(run(hand_over))
    task.add_done_callback(lambda _: hand_over(None))
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
