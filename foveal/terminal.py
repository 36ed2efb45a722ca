"""What this program may do to the terminal: keep stdout to itself, and print only what cannot harm."""

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """The real stdout, for the caller alone: what libraries and child processes print goes to stderr."""
    real = sys.__stdout__
    if real is None or sys.stdout is not real:  # somebody took it over, for example a test
        yield sys.stdout
        return
    real.flush()
    with os.fdopen(os.dup(real.fileno()), "w", encoding=real.encoding, errors="replace") as mine:
        os.dup2(sys.stderr.fileno(), real.fileno())
        try:
            yield mine
        finally:
            real.flush()
            os.dup2(mine.fileno(), real.fileno())


def printable(text: str) -> str:
    """Text without control characters: images and models may write what a terminal would obey."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def one_line(text: object) -> str:
    """The text on one line."""
    return printable(" ".join(str(text).split()))


def discard_stdout() -> None:
    """Whoever read stdout has gone: let what is still buffered vanish instead of failing at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # stdout is no file
        return
