"""What this program may do to the terminal: keep stdout to itself, and print only what cannot harm."""

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from foveal.agent.loudness import quiet

if TYPE_CHECKING:
    from rich.console import Console


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


def console(out: TextIO, width: int | None = None) -> "Console":
    """Prints text as it is, with colours where `out` shows them: NO_COLOR, FORCE_COLOR and TERM decide."""
    from rich.console import Console

    return Console(file=out, width=width, highlight=False, emoji=False, markup=False)


def lively(out: TextIO) -> bool:
    """Whether something that moves may be shown: on a terminal that can move its cursor, unless all is quiet."""
    return out.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and not quiet()


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being waited for, where something that moves may be; gives what changes the words."""
    if not lively(sys.stderr):
        yield lambda text: None
        return
    with console(sys.stderr).status(what, spinner="line") as status:
        yield lambda text: status.update(printable(text))


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
