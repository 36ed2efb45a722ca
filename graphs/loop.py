"""An event loop of its own in a thread of its own, so that a synchronous door works anywhere."""

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for whoever asks, in any thread, with or without a running event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def started(self) -> bool:
        """Whether there is a thread to wait for."""
        return self._loop is not None and not self._closed

    def submit(self, coroutine: Coroutine[object, object, T]) -> Future[T]:
        """Start a coroutine; the thread starts with the first one."""
        try:
            loop = self._running()
        except RuntimeError:
            coroutine.close()
            raise
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def wait(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end; an interrupt cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs and end the thread. Closing twice is fine."""
        with self._lock:
            self._closed = True
        if self._loop is not None:
            self._stop()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError("this agent is closed; make a new one")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="foveal", daemon=True
                )
                thread.start()
                # Also when nobody calls close: at the latest as the interpreter ends.
                self._stop = weakref.finalize(self, _stop, self._loop, thread)
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_finish(loop))
        loop.close()


async def others_ended() -> None:
    """Cancel every other task of this loop, and wait for it."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _finish(loop: asyncio.AbstractEventLoop) -> None:
    await others_ended()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if thread.is_alive():
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()
