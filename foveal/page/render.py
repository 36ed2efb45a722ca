"""A story as one HTML file that needs nothing else: text escaped, images inside, requests forbidden."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Spent
from foveal.graphs.result import Result
from foveal.graphs.trace import DirectAnswer, Started
from foveal.page.cards import Card, Figure, card, evidence
from foveal.page.plates import Plate
from foveal.page.story import Moment, Story, Turn
from foveal.page.timeline import Timeline, timeline
from foveal.tools.extras import needs
from foveal.words import relied

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent
SPECIAL = re.compile(r"(<\|[^<>|]*\|>)")
BUDGETS = {
    "hops": "hops", "actions": "actions", "errors": "turns in vain", "new_tokens": "new tokens",
    "visual_tokens": "visual tokens", "seconds": "seconds",
}  # fmt: skip
SPENT = {"hops": "hops", "actions": "actions", "new_tokens": "emitted", "visual_tokens": "visual"}
"""Budgets, and what is counted against them; time is told by the run itself."""
ENDINGS = {"answer": "the model answered by itself", "gate": "sure enough without looking"}


def rendered(story: Story, plates: Sequence[Plate]) -> str:
    """The page. Raises SetupError where its libraries are not installed."""
    return filled("page.html", page=Page(story, plates))


def filled(template: str, **values: Any) -> str:
    """One of the templates beside this file, with every text in it escaped."""
    with needs("page"):
        import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values).lstrip()


@dataclass
class Page:
    """What the template asks for."""

    story: Story
    plates: Sequence[Plate]
    known: dict[int, Card] = field(default_factory=dict)
    """Cards that were made before, by number."""

    @cached_property
    def uris(self) -> list[str]:
        """The images as data URLs."""
        return [plate.uri for plate in self.plates]

    @property
    def started(self) -> Started:
        """How the run began."""
        return self.story.started

    @property
    def asked(self) -> Asked:
        """The question."""
        return self.story.started.asked

    @property
    def result(self) -> Result | None:
        """How it ended, if it did."""
        return self.story.result

    @property
    def value(self) -> str:
        """An answer that fits a schema, as JSON text."""
        known = self.result is not None and self.result.value is not None
        return (
            json.dumps(self.result.value, ensure_ascii=False, indent=2)
            if known and self.result
            else ""
        )

    @property
    def moments(self) -> list[tuple[str, Moment]]:
        """What happened, with what kind of thing it is."""
        kinds = {Turn: "turn", DirectAnswer: "direct"}
        return [(kinds.get(type(moment), "word"), moment) for moment in self.story.moments]

    @cached_property
    def cards(self) -> Mapping[int, Card]:
        """The actions by number."""
        for step in self.story.steps:
            before = self.known.get(step.number)
            if before is None or before.hop is not step.hop:
                self.known[step.number] = card(self.story, step, self.plates)
        return self.known

    @cached_property
    def evidence(self) -> list[Figure]:
        """The images with what the answer rests on."""
        return evidence(self.story, self.plates)

    @cached_property
    def timeline(self) -> Timeline:
        """When what happened."""
        return timeline(self.story)

    @property
    def spent(self) -> Spent | None:
        """All that it cost, as far as is known."""
        if self.result is not None:
            return self.result.usage
        return self.story.thoughts[-1].spent if self.story.thoughts else None

    @property
    def cached(self) -> bool:
        """Whether a server kept tokens."""
        return bool(self.spent and self.spent.cached)

    @property
    def facts(self) -> Iterator[str]:
        """One line of numbers below the answer."""
        if self.result is not None:
            over = f"the budget of {self.budget(self.result.ended_by)} was used up"
            yield ENDINGS.get(self.result.ended_by, over)
        count = len(self.story.steps)
        yield f"{count} hop{'' if count == 1 else 's'}"
        yield self.seconds(self.story.seconds)
        if self.spent:
            yield f"{self.spent.emitted} tokens emitted, {self.spent.visual} visual"

    @property
    def notes(self) -> Sequence[str]:
        """What limits the answer."""
        return self.result.notes if self.result else ()

    @property
    def relied(self) -> list[str]:
        """Whether the answer depends on what was seen, where that was asked."""
        lines = relied(self.result) if self.result else []
        return [
            f"{line[0].upper()}{line[1:]}.".replace(" %", "\N{NO-BREAK SPACE}%") for line in lines
        ]

    @property
    def budgets(self) -> Iterator[tuple[str, str, str, float]]:
        """Name, used, limit and share of each budget that is counted."""
        limits = self.started.budgets
        for name, counted in SPENT.items():
            used = int(getattr(self.spent, counted)) if self.spent else 0
            limit = int(getattr(limits, name))
            yield BUDGETS[name], f"{used:,}", f"{limit:,}", min(1.0, used / max(1, limit))
        seconds = self.story.seconds
        share = min(1.0, seconds / max(limits.seconds, 1e-3))
        yield "seconds", f"{seconds:.1f}", f"{limits.seconds:g}", share

    @property
    def settings(self) -> Iterator[tuple[str, Any]]:
        """How the run was set up."""
        started = self.started
        yield "run", started.run
        yield "profile", started.profile
        yield "model", started.model
        if started.domain:
            yield "made for", started.domain
        yield "tools", ", ".join(self.asked.tools) or "none"
        if started.gate is not None:
            yield "gate", f"{started.gate:g}"
        if self.asked.answer_schema:
            yield "schema", self.asked.answer_schema
        for number, image in enumerate(self.asked.images):
            source = started.sources[number] if number < len(started.sources) else ""
            width, height = image.size
            yield "image", f"{source or 'given as pixels'}, {width} x {height}, {image.image[:12]}"

    @property
    def style(self) -> "Markup":
        """The style sheet, ours and therefore not escaped."""
        return _ours("page.css")

    @property
    def script(self) -> "Markup":
        """The script, likewise."""
        return _ours("page.js")

    @property
    def style_hash(self) -> str:
        """What the browser is told to accept."""
        return _hash(self.style)

    @property
    def script_hash(self) -> str:
        """The same for the script."""
        return _hash(self.script)

    def pieces(self, text: str) -> list[tuple[str, bool]]:
        """A turn's text, cut at its special tokens."""
        return [(piece, bool(SPECIAL.fullmatch(piece))) for piece in SPECIAL.split(text) if piece]

    def percent(self, share: float) -> str:
        """A share of one, in words that never promise certainty."""
        rounded = round(100 * share, 1)
        return (
            f"{min(rounded, 99.9):.1f}\N{NO-BREAK SPACE}%"
            if rounded > 99
            else f"{rounded:.0f}\N{NO-BREAK SPACE}%"
        )

    def seconds(self, seconds: float) -> str:
        """A time in words."""
        return f"{seconds:.{2 if seconds < 10 else 1}f}\N{NO-BREAK SPACE}s"

    def budget(self, name: str) -> str:
        """A budget's name in words."""
        return BUDGETS.get(name, name)


def _ours(name: str) -> "Markup":
    from markupsafe import Markup

    return Markup((HERE / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
