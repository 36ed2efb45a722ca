"""A stream has two faces, and whoever leaves it ends the work."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.stream import Stream


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    made = BackgroundLoop()
    yield made
    made.close()


class Counter:
    """Counts for ever, and knows when it has ended, and in which thread it was."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.threads: set[str] = set()

    async def count(self, stop: int = 1_000_000) -> AsyncGenerator[int, None]:
        try:
            for number in range(stop):
                self.threads.add(threading.current_thread().name)
                await asyncio.sleep(0)
                yield number
        finally:
            self.ended.set()


def test_it_is_read_with_for(loop: BackgroundLoop) -> None:
    counter = Counter()
    stream = Stream(loop, counter.count(3))
    assert list(stream) == [0, 1, 2]
    assert next(stream, None) is None
    assert counter.threads == {"foveal"}


async def test_it_is_read_with_async_for(loop: BackgroundLoop) -> None:
    assert [number async for number in Stream(loop, Counter().count(3))] == [0, 1, 2]


def test_nothing_begins_before_it_is_read(loop: BackgroundLoop) -> None:
    counter = Counter()
    Stream(loop, counter.count()).close()
    assert not counter.threads


def test_the_end_of_a_with_ends_it(loop: BackgroundLoop) -> None:
    counter = Counter()
    with Stream(loop, counter.count()) as numbers:
        assert next(numbers) == 0
    assert counter.ended.is_set()
    assert list(numbers) == []


async def test_the_end_of_an_async_with_ends_it(loop: BackgroundLoop) -> None:
    counter = Counter()
    async with Stream(loop, counter.count()) as numbers:
        assert await anext(numbers) == 0
    assert counter.ended.is_set()


def test_letting_go_of_it_ends_it(loop: BackgroundLoop) -> None:
    counter = Counter()
    for number in Stream(loop, counter.count()):
        if number == 3:
            break
    gc.collect()
    assert counter.ended.wait(60)


def test_closing_the_loop_ends_it(loop: BackgroundLoop) -> None:
    counter = Counter()
    numbers = Stream(loop, counter.count())
    assert next(numbers) == 0
    loop.close()
    assert counter.ended.is_set()
    with pytest.raises(RuntimeError, match="closed"):
        next(numbers)
    numbers.close()


async def test_cancelling_who_waits_ends_it(loop: BackgroundLoop) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def hang() -> AsyncGenerator[int, None]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield 1
        finally:
            ended.set()

    task = asyncio.ensure_future(anext(Stream(loop, hang())))
    assert await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 60)
