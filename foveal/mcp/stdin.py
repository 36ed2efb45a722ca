"""Standard input that can be ended from this side: nothing else interrupts whoever waits for its next line."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHUNK = 2**16
"""Bytes passed on at once."""


@contextmanager
def ending_stdin() -> Iterator[Callable[[], None]]:
    """Puts a pipe in front of standard input, and hands out what ends it.

    A reader then sees the end of the file, as when the client had left.
    """
    real = os.dup(0)
    out, into = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(out, 0)
    os.close(out)

    def end() -> None:
        os.dup2(
            null, into
        )  # atomic: a write that is under way in the other thread hits no other file

    threading.Thread(target=_pass_on, args=(real, into, end), name="stdin", daemon=True).start()
    try:
        yield end
    finally:
        end()
        os.dup2(real, 0)


def _pass_on(source: int, into: int, end: Callable[[], None]) -> None:
    try:
        while data := os.read(source, CHUNK):
            while data:
                data = data[os.write(into, data) :]
    finally:
        end()
