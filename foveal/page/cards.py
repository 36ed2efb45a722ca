"""What the page says of each action: a figure with what was drawn, and what came back, one thing a row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
)
from foveal.graphs.result import Hop
from foveal.page.drawing import drawn
from foveal.page.ink import Stroke, relied_on, strokes
from foveal.page.plates import SIDE, Plate, data_url, from_grey
from foveal.page.story import Step, Story
from foveal.words import asked, came_back


@dataclass(frozen=True)
class Figure:
    """An image with what is drawn on it."""

    plate: int
    """Which image, from 0."""
    size: tuple[int, int]
    drawing: str
    """A transparent picture as a data URL; empty when nothing is drawn."""
    depth: str
    """A depth map as a data URL; empty when there is none."""
    alt: str


@dataclass(frozen=True)
class Row:
    """One thing that came back."""

    number: str
    name: str
    share: float | None = None
    """From 0 to 1, drawn as a bar."""
    told: str = ""
    """The same in words."""
    where: str = ""


@dataclass(frozen=True)
class Card:
    """One action."""

    step: Step
    title: str
    figure: Figure
    rows: Sequence[Row]
    said: str
    """What came back in one sentence."""
    crops: Sequence[tuple[str, str]]
    """Parts of the image that the model was shown again: data URLs and their sizes in words."""
    trouble: str
    """Why nothing came back."""
    hop: Hop | None
    """What had come back when this was made."""


def card(story: Story, step: Step, plates: Sequence[Plate]) -> Card:
    """All that is told of one action."""
    seen, plate = step.observation, plates[min(step.image, len(plates) - 1)]
    title = asked(step.action, story.names)
    marks = [mark.box.xyxy for mark in story.boxes(step)]
    trouble = seen.message if isinstance(seen, Failed) else ""
    said = "" if seen is None or trouble else _said(seen)
    depth = from_grey(step.sketch.picture) if step.sketch and isinstance(seen, Ranged) else ""
    figure = _figure(step.image, plate, strokes(step, marks), depth, f"{title}: {said or trouble}")
    rows = [] if seen is None else list(_rows(seen))
    return Card(step, title, figure, rows, said, _crops(seen, plate), trouble, step.hop)


def evidence(story: Story, plates: Sequence[Plate]) -> list[Figure]:
    """Each image with what the answer rests on; the images alone where that is nothing in particular."""
    pieces = story.result.evidence if story.result else ()
    figures = []
    for number, plate in enumerate(plates):
        here = [piece for piece in pieces if (piece.image or 1) - 1 == number]
        names = ", ".join(piece.label or piece.action for piece in here)
        alt = f"image {number + 1}: " if len(plates) > 1 else ""
        alt += f"the answer rests on {names}" if here else "the image of the question"
        figures.append(_figure(number, plate, relied_on(here), "", alt))
    return figures


def _figure(number: int, plate: Plate, ink: Sequence[Stroke], depth: str, alt: str) -> Figure:
    drawing = data_url(drawn(ink, plate.size), SIDE) if ink else ""
    return Figure(number, plate.size, drawing, depth, alt)


def _said(seen: Observation) -> str:
    """What the rows do not say."""
    if isinstance(seen, Recognised):
        count = len(seen.lines)
        return f"{count or 'no'} line{'' if count == 1 else 's'} of text"
    if isinstance(seen, Segmented):
        return "outlined, with its share of the image"
    return came_back(seen)[0].removesuffix(":")


def _crops(seen: Observation | None, plate: Plate) -> list[tuple[str, str]]:
    if not isinstance(seen, Looked):
        return []
    parts = [view.source.xyxy for view in seen.views]
    cut = [(plate.crop(xyxy), "{:.0f} x {:.0f} pixels".format(*_extent(xyxy))) for xyxy in parts]
    return [(url, size) for url, size in cut if url]


def _extent(xyxy: tuple[float, float, float, float]) -> tuple[float, float]:
    return xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]


def _rows(seen: Observation) -> Iterator[Row]:
    match seen:
        case Detected():
            yield from _listed(seen)
        case Segmented():
            name, where = seen.label or "the region", f"{seen.area} pixels in {_at(seen.box)}"
            yield Row(_number(seen.index), name, seen.share, _percent(seen.share), where)
        case Ranged():
            for one in seen.ranges:
                name, far = one.label or "a region", f"{one.depth:.2f}"
                yield Row(_number(one.index), name, one.depth, far, _at(one.box))
        case Recognised():
            for line in seen.lines:
                yield Row("", line.text, line.score, _percent(line.score), _at(line.box))
        case Looked() | Reencoded():
            yield from _shown(seen.views)
        case Failed():
            return


def _listed(seen: Detected) -> Iterator[Row]:
    for one in seen.objects:
        name = one.label or "an object"
        yield Row(_number(one.index), name, one.score, _percent(one.score), _at(one.box))
    for phrase in seen.unknown:
        yield Row("", f"{phrase}: nothing this detector knows")


def _shown(views: Iterable[View]) -> Iterator[Row]:
    """The pictures that an encoder turned into tokens."""
    for view in views:
        if view.tokens is not None:
            _, rows, columns = view.tokens.grid
            name, grid = f"{view.tokens.count} visual tokens", f"{rows} x {columns} patches"
            yield Row("", name, None, grid, _at(view.source))


def _number(index: int) -> str:
    return str(index) if index else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def _at(box: Box) -> str:
    x0, y0, x1, y1 = (round(side) for side in box.xyxy)
    return f"{x0},{y0} to {x1},{y1}"
