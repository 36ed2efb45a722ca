"""What the nodes of one run work with: reached through `runtime.context`, never a global."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from foveal.agent.actions import PerceptionKind
from foveal.agent.observations import Observation
from foveal.graphs.schema import Schema
from foveal.graphs.sessions import Sessions
from foveal.graphs.trace import Event
from foveal.tools.base import Dispatcher


def stopwatch(shown: float = 0.0) -> Callable[[], float]:
    """Seconds since now, at every call, and as many more as it shows from the start."""
    start = time.monotonic() - shown
    return lambda: time.monotonic() - start


def _ignore(event: Event) -> None:
    pass


async def _forget(observation: Observation) -> None:
    pass


@dataclass(frozen=True)
class Context:
    """One run's dependencies."""

    sessions: Sessions
    dispatcher: Dispatcher
    profile: str = "embedded"
    """The profile's name, for notes to the user."""
    domain: str = ""
    """What the profile's model was trained for, for the same."""
    emit: Callable[[Event], None] = _ignore
    """Called with every event as it happens; `Said` may come from another thread."""
    elapsed: Callable[[], float] = field(default_factory=stopwatch)
    """Seconds since the run began."""
    schema: Schema | None = None
    """What the answer must fit."""
    trace: str | None = None
    """Where the trace is written."""
    approve: frozenset[PerceptionKind] = frozenset()
    """The actions that wait for a person; the graph then needs a checkpointer."""
    keep: Callable[[Observation], Awaitable[None]] = _forget
    """Called with what came back, before a checkpoint names it: what it points at is to survive the process."""
