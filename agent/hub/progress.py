"""What a download says on stderr: one line before it starts, and a bar while it runs if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from foveal.agent.loudness import quiet

Advance = Callable[[int], None]
"""Told how many more bytes have arrived; fewer than none when some have to be fetched again."""


def announce(text: str) -> None:
    """One line, told before anything is fetched."""
    if quiet():
        return
    sys.stderr.write(f"foveal: {text}\n")
    sys.stderr.flush()


@contextmanager
def bar(what: str, total: int, done: int) -> Iterator[Advance]:
    """A bar from `done` to `total` bytes; nothing at all in a pipe."""
    if quiet() or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
        TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
