"""How far a batch is, for eyes on a terminal and for a log."""

import asyncio
import io
import os
import pty
from collections.abc import Iterator
from typing import Any

import pytest

from foveal import batch_progress
from foveal.batch_progress import Pace, Told, duration
from foveal.graphs.batch import Answered, Failure, Outcome
from foveal.graphs.query import Query

QUERY = Query(1, "a", "a.png", "a.png", "?")


def outcomes() -> Iterator[Outcome]:
    result: Any = None
    yield Answered(QUERY, result, "right")
    yield Answered(QUERY, result, "wrong")
    yield Answered(QUERY, result)
    yield Failure(QUERY, "InputError", "it is damaged")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"), (86_400, "1 d 0 h"), (200_000, "2 d 7 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_is_the_recent_one() -> None:
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    assert pace.rate == 0
    clock[0] = 1000.0  # nothing for a long time, and then ten a second
    for _ in range(batch_progress.RECENT):
        clock[0] += 0.1
        pace.tick()
    assert pace.rate == pytest.approx(10)


async def test_a_pipe_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_progress, "SECONDS", 0.001)
    pipe = io.StringIO()
    async with Told(pipe, 9) as told:
        told.state = lambda: "2 of 4 agents"
        for outcome in outcomes():
            told.saw(outcome)
        before = pipe.tell()
        while pipe.tell() == before:
            await asyncio.sleep(0.001)
    line = pipe.getvalue().splitlines()[-1]
    assert line.startswith("agent: 4 of 9 done, ")
    assert line.endswith(" left, 50.0% right, 1 failed, 2 of 4 agents")
    assert "\x1b" not in line
    written = pipe.tell()
    await asyncio.sleep(0.01)
    assert pipe.tell() == written


async def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        async with Told(terminal, 4) as told:
            for outcome in outcomes():
                told.saw(outcome)
            told.say("something [else]")
    seen = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    assert "4/4" in seen
    assert "50.0% right, 1 failed" in seen
    assert "something [else]" in seen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
