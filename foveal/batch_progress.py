"""How far a batch is: a bar on a terminal, and a line now and then in a pipe."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from foveal.agent.loudness import quiet
from foveal.graphs.batch import Failure, Outcome
from foveal.terminal import console, lively

SECONDS = 30.0
"""Between two lines."""
RECENT = 500
"""Outcomes that the rate is taken from."""


class Pace:
    """Outcomes a second, lately."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._times = deque([now()], maxlen=RECENT)

    def tick(self) -> None:
        """One more."""
        self._times.append(self._now())

    @property
    def rate(self) -> float:
        """Outcomes a second, 0 before the first."""
        seconds = self._now() - self._times[0]
        return (len(self._times) - 1) / seconds if seconds else 0.0


class Told:
    """What is said on stderr while a batch runs."""

    def __init__(self, out: TextIO, pending: int) -> None:
        self._out, self._pending = out, pending
        self.state: Callable[[], str] = lambda: ""
        """What else there is to say, such as how many agents are ready."""
        self._pace = Pace()
        self._seen = self._failed = self._judged = self._right = 0
        self._bar = _bar(out) if lively(out) else None
        self._task = self._bar.add_task("", total=pending, told="starting") if self._bar else None
        self._lines: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Told":
        if self._bar is not None:
            self._bar.start()
        else:
            self._lines = asyncio.create_task(self._talk())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._lines is not None:
            self._lines.cancel()

    def saw(self, outcome: Outcome) -> None:
        """One question more is done."""
        self._pace.tick()
        self._seen += 1
        if isinstance(outcome, Failure):
            self._failed += 1
        elif outcome.verdict is not None:
            self._judged += 1
            self._right += outcome.verdict == "right"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._seen, told=self._words())

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._bar is not None:
            self._bar.console.print(text)
        elif not quiet():
            self._out.write(f"agent: {text}\n")
            self._out.flush()

    async def _talk(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            self.say(f"{self._seen} of {self._pending} done, {self._words()}")

    def _words(self) -> str:
        rate = self._pace.rate
        parts = [f"{rate:.3g}/s"]
        if rate and self._seen < self._pending:
            parts.append(f"{duration((self._pending - self._seen) / rate)} left")
        if self._judged:
            parts.append(f"{self._right / self._judged:.1%} right")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join([*parts, *filter(None, [self.state()])])


def duration(seconds: float) -> str:
    """Roughly, in the two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _bar(out: TextIO) -> Progress:
    words = TextColumn("{task.fields[told]}", markup=False)
    return Progress(BarColumn(), MofNCompleteColumn(), words, console=console(out), transient=True)
