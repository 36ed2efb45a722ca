"""When the model thought and the specialists worked: bars to scale, in per cent of the run's time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from foveal.page.story import Story
from foveal.words import asked

TICKS = 5
"""About as many times are written below."""
LEAST = 0.4
"""Per cent: shorter bars would not be seen."""
BAR, LABEL, FOOT = 14, 18, 24
"""Pixels: a bar, the name above it, and the times below all."""


@dataclass(frozen=True)
class Bar:
    """One stretch of time."""

    start: float
    """Per cent of the whole."""
    width: float
    """Per cent of the whole."""
    href: str
    """Where on the page it is told."""
    told: str


@dataclass
class Lane:
    """All stretches of one worker."""

    name: str
    kind: str
    """The kind of action, `model` or `direct`: what decides its colour."""
    bars: list[Bar] = field(default_factory=list)
    y: int = 0
    """Pixels from the top to its name."""


@dataclass(frozen=True)
class Timeline:
    """What is drawn."""

    lanes: Sequence[Lane]
    ticks: Sequence[tuple[float, str, str]]
    """Per cent, the time in words, and at which end of the words that is."""
    height: int


def timeline(story: Story) -> Timeline:
    """The lanes of a run, in the order in which they come up."""
    whole = max(story.seconds, 1e-3)
    lanes: dict[str, Lane] = {}
    for one in _stretches(story):
        lane = lanes.setdefault(one.worker, Lane(one.worker, one.kind))
        begins = min(100 * one.start / whole, 100 - LEAST)
        width = max(LEAST, min(100 * one.seconds / whole, 100 - begins))
        words = f"{one.told}: {one.seconds:.2f} s, from {one.start:.2f} s"
        lane.bars.append(Bar(round(begins, 2), round(width, 2), one.href, words))
    for place, lane in enumerate(lanes.values()):
        lane.y = place * (BAR + LABEL) + LABEL - 5
    return Timeline(list(lanes.values()), _ticks(whole), len(lanes) * (BAR + LABEL) + FOOT)


class _Stretch(NamedTuple):
    worker: str
    kind: str
    start: float
    seconds: float
    href: str
    """Where it is told."""
    told: str


def _stretches(story: Story) -> Iterator[_Stretch]:
    for thought in story.direct.thoughts if story.direct is not None else ():
        start, seconds = thought.spent.seconds, thought.seconds
        yield _Stretch("without looking", "direct", start, seconds, "#direct", "without tools")
    for turn in story.turns:
        if turn.thought is not None:
            start, seconds = turn.thought.spent.seconds, turn.thought.seconds
            href, told = f"#turn-{turn.number}", f"turn {turn.number}"
            yield _Stretch("model", "model", start, seconds, href, told)
    for step in story.steps:
        if step.began is not None and step.hop is not None:
            href, told = f"#hop-{step.number}", asked(step.action, story.names)
            yield _Stretch(step.whom, step.action.kind, step.began, step.hop.seconds, href, told)


def _ticks(whole: float) -> list[tuple[float, str, str]]:
    step = _round(whole / TICKS)
    times = [n * step for n in range(int(whole / step * 1.0001) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [
        (round(100 * time / whole, 2), f"{time:.{digits}f} s", _end(time / whole)) for time in times
    ]


def _end(share: float) -> str:
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10, ... of whatever size."""
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * n for n in (1, 2, 5, 10) if size * n >= step * 0.999)
