"""How far a training is, on a terminal: read from the log that it writes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foveal.terminal import waiting

LOG = "log.jsonl"
PAUSE = 1.0
"""Seconds between two looks."""


@contextmanager
def followed(what: str, folder: Path) -> Iterator[None]:
    """Inside, say how far the training is that writes to this folder."""
    with waiting(what) as say:
        over = threading.Event()
        follower = threading.Thread(target=_follow, args=(what, folder, say, over), daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()


def _follow(what: str, folder: Path, say: Callable[[str], None], over: threading.Event) -> None:
    while not over.wait(PAUSE):
        row = latest(folder)
        if row:
            say(f"{what}: {row}")


def latest(folder: Path) -> str:
    """The last line of the newest log below a folder, in words; nothing before the first."""
    logs = [path for path in folder.rglob(LOG) if path.is_file()]
    lines = max(logs, key=_changed).read_text(encoding="utf-8").splitlines() if logs else []
    for line in reversed(lines):  # the last may be half written
        try:
            numbers = json.loads(line)
        except ValueError:
            continue
        return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
    return ""


def _changed(path: Path) -> float:
    return path.stat().st_mtime
