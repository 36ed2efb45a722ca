"""The course of one run: what it was asked, under which name, and where it is taken up again, if it is."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from foveal.agent.transcript import Asked
from foveal.graphs.approval import Decision
from foveal.graphs.result import Fork, Hop
from foveal.graphs.schema import Schema
from foveal.graphs.state import Entry
from foveal.graphs.talk import Talk
from foveal.graphs.trace import TraceWriter

Decisions = Mapping[str, Decision]
"""What a person decided, by the id of what waited."""


@dataclass(frozen=True)
class Course:
    """One run: what was asked, and, where it is taken up again, from where."""

    name: str
    """Its id."""
    asked: Asked
    schema: Schema | None
    verify: bool
    clock: Callable[[], float]
    resumed: "Resumption | None" = None
    talk: Talk | None = None
    """The conversation that it goes on with."""
    sources: tuple[str | None, ...] = ()
    """Where each image can be had again, if that is known."""

    def past(self, aside: bool = False) -> list[Entry]:
        """What was said before the question."""
        return self.talk.past(aside) if self.talk else []


@dataclass(frozen=True)
class Resumption:
    """Where a run is taken up again."""

    hops: tuple[Hop, ...] = ()
    """What was seen so far."""
    decisions: Decisions = field(default_factory=dict)
    """What a person decided."""
    trace: TraceWriter | None = None
    """What was traced so far, to be gone on with."""
    fork: Fork | None = None
    """Where the run branched off another, if it did."""


def aside(name: str) -> str:
    """The thread of a run's answer without looking."""
    return f"{name}.direct"


def run_id() -> str:
    """Sorts by time; unique across processes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def traced(folder: Path, name: str) -> Path:
    """Where a run's trace is written."""
    return folder / f"{name}.jsonl"
