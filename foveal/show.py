"""A run on the terminal: each hop as it happens, then the answer and how sure the model is."""

import json
from typing import TextIO

from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from foveal.agent.observations import Detected, Failed
from foveal.graphs.result import Hop, Result
from foveal.graphs.trace import Event
from foveal.terminal import console, lively, printable
from foveal.words import asked, came_back, relied

WIDTH = 100
"""Wider terminals are not filled: the eye loses the line."""
UNSURE = 0.5
"""Below this the confidence is shown as a warning."""


class Narrator:
    """Tells a run's events. On a terminal it also says what is being waited for."""

    def __init__(self, out: TextIO) -> None:
        self._console, self._lively = console(out), lively(out)
        if self._console.width > WIDTH:
            self._console.width = WIDTH
        self._names: dict[int, str] = {}
        self._told: set[str] = set()
        self._hops = 0
        self._status = Status("loading", console=self._console, spinner="line")

    def __enter__(self) -> "Narrator":
        if self._lively:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def tell(self, event: Event) -> None:
        """Show one event, if there is something to show."""
        if event.kind == "started":
            self._waiting("thinking")
        elif event.kind == "aside":
            self._waiting("answering without looking")
        elif event.kind == "direct":
            self._waiting("thinking")
        elif event.kind == "called":
            self._waiting(f"{event.specialist}: {asked(event.action, self._names)}")
        elif event.kind == "returned":
            self._hop(event.hop)
            self._waiting("thinking")
        elif event.kind == "thought" and event.error:
            self._note(f"turn {event.turn} could not be read: {event.error}")
        elif event.kind == "resumed":
            self._again(event.hops)
        elif event.kind == "paused":
            self._status.stop()
        elif event.kind == "finished":
            self._status.stop()
            self._answer(event.result)

    def _waiting(self, what: str) -> None:
        text = Text(printable(what), style="dim")
        text.truncate(max(8, self._console.width - 4), overflow="ellipsis")
        self._status.update(text)

    def _again(self, hops: tuple[Hop, ...]) -> None:
        """What was seen in a process before this one, and, on a terminal, that we are waiting again."""
        for hop in hops[self._hops :]:
            self._hop(hop)
        if self._lively:
            self._status.start()

    def _hop(self, hop: Hop) -> None:
        self._hops += 1
        whom = "from memory" if hop.repeated else hop.specialist or hop.approval or "refused"
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(justify="right", min_width=2)
        grid.add_column(ratio=1)
        grid.add_column(justify="right")
        grid.add_row(
            Text(str(self._hops), style="dim"),
            Text(printable(asked(hop.instead or hop.action, self._names)), style="bold cyan"),
            Text(f"{whom}  {hop.seconds:.2f} s", style="dim"),
        )
        self._console.print(grid)
        style = ""
        if isinstance(hop.observation, Failed):
            style = "yellow"
            self._told.add(hop.observation.message)
        for line in came_back(hop.observation):
            self._console.print(
                Padding(Text(printable(line), style=style), (0, 0, 0, 3), expand=False)
            )
        if isinstance(hop.observation, Detected):
            self._names |= {f.index: f.label for f in hop.observation.objects if f.index}

    def _answer(self, result: Result) -> None:
        if self._hops:
            self._console.print()
        if result.value is not None:
            value = json.dumps(result.value, ensure_ascii=False)
            self._console.print(Text(printable(value), style="bold"))
        elif result.answer:
            self._console.print(Text(printable(result.answer), style="bold"))
        else:
            self._console.print(Text("no answer", style="bold yellow"))
        self._console.print(self._summary(result))
        for line in relied(result):
            self._console.print(Text(printable(line), style="dim"))
        for note in result.notes:
            if note not in self._told:
                self._note(note)
        if result.trace:
            self._console.print(Text(f"trace: {printable(result.trace)}", style="dim"))

    def _summary(self, result: Result) -> Text:
        parts = [f"{result.usage.hops} hop{'' if result.usage.hops == 1 else 's'}"]
        parts.append(f"{result.seconds:.1f} s")
        if result.ended_by == "gate":
            parts.append("sure enough without looking")
        elif result.ended_by != "answer":
            parts.append(f"ended by the budget of {result.ended_by.replace('_', ' ')}")
        text = Text("", style="dim")
        if result.answer and result.confidence is not None:
            style = "yellow" if result.confidence < UNSURE else "green"
            text.append(f"confidence {100 * result.confidence:.0f} %", style=style).append(" | ")
        return text.append(" | ".join(parts))

    def _note(self, text: str) -> None:
        self._told.add(text)
        self._console.print(Text(f"note: {printable(text)}", style="yellow"))
