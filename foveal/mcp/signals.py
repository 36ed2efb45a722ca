"""What to do on SIGINT and SIGTERM instead of dying in the middle of an answer."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heeding(act: Callable[[int], None]) -> Iterator[None]:
    """Inside, a signal calls `act` with its number, in the running loop.

    Where a loop cannot have handlers (Windows), signals do what they always do.
    """
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):
        for number in NUMBERS:
            loop.add_signal_handler(number, act, number)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for number in NUMBERS:
                loop.remove_signal_handler(number)
