"""A run told to whoever asked: hop by hop on a terminal, the answer alone to a pipe, everything as JSON."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from foveal import terminal
from foveal.agent.loudness import quiet
from foveal.approving import WAITS, asked_person, how_to_go_on, somebody_there
from foveal.graphs.agent import Agent
from foveal.graphs.approval import ApprovalNeeded
from foveal.graphs.result import Result
from foveal.graphs.run import Watcher
from foveal.graphs.schema import Schema
from foveal.graphs.trace import Event, Started
from foveal.show import Narrator
from foveal.terminal import console, one_line, printable
from foveal.tools.images import Images
from foveal.words import relied

Ask = Callable[[Watcher], Result]
"""Runs a question, telling every event."""


@dataclass(frozen=True)
class Show:
    """How a run is told."""

    json: bool
    hops: bool
    """Each hop, even in a pipe."""
    schema: Schema | None
    began: float
    """By the monotonic clock."""
    checkpoint: str | None = None
    """Where the run is kept, as typed."""
    images: Images | None = None
    """The run's images, where they may not be there to be had again."""
    several: str = ""
    """The question, where it is one of several: each gets a line then, an answer or not."""


def told(agent: Agent, ask: Ask, show: Show, out: TextIO) -> int:
    """Ask, and tell what came of it on stdout. Returns the exit code: 0, 1 without an answer, or one that does not
    fit the schema, or WAITS for a run that waits for a person who is not here."""
    try:
        result = _answered(agent, ask, show, out)
    except ApprovalNeeded as waiting:
        _left(waiting, show, out)
        return WAITS
    finally:
        out.flush()
    return int(not result.answer or (show.schema is not None and result.value is None))


def _answered(agent: Agent, ask: Ask, show: Show, out: TextIO) -> Result:
    if show.json:
        log = _Log(show.began)
        result = _settled(agent, _waited(ask), show, log.hear)
        out.write(json.dumps(log.report(result), ensure_ascii=False) + "\n")
    elif show.hops or (out.isatty() and not quiet()):
        if show.several:
            console(out).print(printable(show.several), style="bold")
        with Narrator(out) as narrator:
            result = _settled(agent, ask, show, narrator.tell)
    else:
        result = _settled(agent, _waited(ask), show, lambda event: None)
        _plain(result, show, out)
    return result


def _waited(ask: Ask) -> Ask:
    """The same, with a word on the terminal meanwhile where stdout leads elsewhere."""

    def asked(hear: Watcher) -> Result:
        with terminal.waiting("thinking"):
            return ask(hear)

    return asked


def _settled(agent: Agent, ask: Ask, show: Show, hear: Watcher) -> Result:
    """The result, once the person at the terminal has decided about whatever waited."""
    try:
        return ask(hear)
    except ApprovalNeeded as found:
        if not somebody_there():
            raise
        waiting = found
    while True:
        said = asked_person(waiting)
        try:
            return agent.runs.resume(waiting.run, said, images=show.images, watch=hear)
        except ApprovalNeeded as found:
            waiting = found


def _left(waiting: ApprovalNeeded, show: Show, out: TextIO) -> None:
    """Say what waits, and how to go on."""
    if show.json:
        pending = [one.model_dump(mode="json") for one in waiting.pending]
        out.write(json.dumps({"run": waiting.run, "state": "waiting", "pending": pending}) + "\n")
    sys.stderr.write(f"agent: {one_line(how_to_go_on(waiting, show.checkpoint))}\n")


def _plain(result: Result, show: Show, out: TextIO) -> None:
    """The answer for a pipe, and on stderr what limits it. Where JSON is awaited nothing else is written."""
    notes = [*result.notes, *relied(result)]
    if result.value is not None:
        out.write(json.dumps(result.value, ensure_ascii=False) + "\n")
    elif result.answer and show.schema is None:
        out.write(printable(result.answer) + "\n")
    elif show.several:
        out.write("\n" if show.schema is None else "null\n")
    if result.answer and result.value is None and show.schema is not None:
        notes.append(f"the answer was: {result.answer}")
    for note in () if quiet() else notes:
        sys.stderr.write(f"agent: note: {one_line(note)}\n")


@dataclass
class _Log:
    """What the JSON report says beside the result."""

    began: float
    settings: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=lambda: {"model": 0.0, "specialists": 0.0})

    def hear(self, event: Event) -> None:
        """Note what the report needs of one event."""
        if event.kind == "started":
            self.timings["start"] = time.monotonic() - self.began
            self.settings = _settings(event)
        elif event.kind == "thought":
            self.timings["model"] += event.seconds
        elif event.kind == "direct":
            self.timings["model"] += sum(thought.seconds for thought in event.thoughts)
        elif event.kind == "returned":
            self.timings["specialists"] += event.hop.seconds

    def report(self, result: Result) -> dict[str, Any]:
        """The result with settings and timings, all in JSON types."""
        self.timings["total"] = time.monotonic() - self.began
        timings = {name: round(seconds, 4) for name, seconds in sorted(self.timings.items())}
        return result.model_dump(mode="json") | self.settings | {"timings": timings}


def _settings(started: Started) -> dict[str, Any]:
    asked = started.asked
    return {
        "question": asked.question,
        "size": asked.size,
        **({"sizes": [one.size for one in asked.images]} if asked.more else {}),
        "tools": asked.tools,
        "profile": started.profile,
        "budgets": started.budgets.model_dump(mode="json"),
        "gate": started.gate,
        "version": started.version,
    }
