"""A trace that is gone on with: it holds what the checkpoint holds, and nothing twice."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from foveal.agent.transcript import Acted, Noted
from foveal.graphs.ledger import replace_text
from foveal.graphs.trace import Event, TraceWriter, read

OVER = ("broke", "finished")
"""What a trace that goes on does not say any more."""


class Continued(TraceWriter):
    """Appends to the trace of a run that is taken up again."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        """`values` are those of the checkpoint: what was traced after it is done, and traced, again."""
        events = list(_held(read(path), values))
        replace_text(path, "".join(event.model_dump_json() + "\n" for event in events))
        self._asides = {event.purpose for event in events if event.kind == "direct"}
        super().__init__(path, again=True)

    def write(self, event: Event) -> None:
        """Append one event, unless it is only said again to who listens now."""
        if event.kind == "started":
            return
        if (event.kind == "aside" or event.kind == "direct") and event.purpose in self._asides:
            return
        super().write(event)


def _held(events: Sequence[Event], values: Mapping[str, Any]) -> Iterator[Event]:
    """The events of what a checkpoint holds: so many turns, hops and notes, and no more."""
    items = values.get("items", [])
    room = {
        "thought": sum(isinstance(item, Acted) for item in items),
        "returned": len(values.get("hops", [])),
        "told": sum(isinstance(item, Noted) for item in items),
    }
    answered = {event.purpose for event in events if event.kind == "direct"}
    for event in events:
        if event.kind in OVER or (event.kind == "aside" and event.purpose not in answered):
            continue
        if event.kind in room:
            room[event.kind] -= 1
            if room[event.kind] < 0:
                continue
        yield event
