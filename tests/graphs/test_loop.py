"""The loop in its own thread."""

import asyncio
import gc
import threading

import pytest

from foveal.graphs.loop import BackgroundLoop


async def _where() -> int:
    return threading.get_ident()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "foveal"]


def test_it_runs_elsewhere_and_always_in_the_same_thread() -> None:
    loop = BackgroundLoop()
    first, second = loop.wait(_where()), loop.wait(_where())
    assert first == second != threading.get_ident()
    loop.close()
    assert not _threads()


async def test_it_works_under_a_running_loop() -> None:
    loop = BackgroundLoop()
    assert loop.wait(_where()) != threading.get_ident()
    loop.close()


def test_closing_cancels_what_still_runs() -> None:
    loop = BackgroundLoop()
    begun, cancelled = threading.Event(), threading.Event()

    async def wait_for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    future = loop.submit(wait_for_ever())
    assert begun.wait(60)
    loop.close()
    assert cancelled.is_set()
    assert future.cancelled()


def test_after_closing_it_refuses() -> None:
    loop = BackgroundLoop()
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.wait(_where())


def test_a_forgotten_loop_ends_its_thread() -> None:
    loop = BackgroundLoop()
    loop.wait(_where())
    del loop
    gc.collect()
    assert not _threads()
