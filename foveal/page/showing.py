"""`agent trace`: read a trace, find its images, write the page, and let a browser show it."""

import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from foveal.agent.errors import InputError
from foveal.agent.settings import settings
from foveal.graphs.trace import read
from foveal.page.plates import plates
from foveal.page.render import rendered
from foveal.page.story import told
from foveal.terminal import own_stdout

STDOUT, SUFFIX = "-", ".jsonl"


def show(
    run: str, images: Sequence[str], out: str | None, checkpoint: str | None, *, opens: bool = True
) -> int:
    """Write the page of a run and tell where; open it where somebody is at a terminal. Returns the exit code."""
    trace = traced(run, checkpoint)
    with own_stdout() as stdout:
        story = told(read(trace))
        page = rendered(story, plates(story.started, images, settings()))
        if out == STDOUT:
            stdout.write(page)
            return 0
        path = written(page, Path(out) if out else Path(trace).with_suffix(".html"))
        stdout.write(f"{path}\n")
        stdout.flush()
        if opens and sys.stdin.isatty() and stdout.isatty():
            webbrowser.open(path.absolute().as_uri())
    return 0


def traced(run: str, checkpoint: str | None) -> str:
    """The trace file: what was typed, or that of the kept run which was."""
    kept = checkpoint is not None or settings().checkpoint is not None
    if Path(run).suffix == SUFFIX or Path(run).exists() or not kept:
        return run
    from foveal.kept import trace_of  # LangGraph takes a second to import

    return trace_of(run, checkpoint)


def written(page: str, path: Path) -> Path:
    """The path, with the page in it. Raises InputError where it cannot be written."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from None
    return path
