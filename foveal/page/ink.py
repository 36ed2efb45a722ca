"""What is drawn on the image for an action: boxes and masks with their labels, one colour for each kind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL.Image import Image

from foveal.agent.actions import PerceptionKind
from foveal.agent.observations import (
    Detected,
    Failed,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
)
from foveal.graphs.result import Evidence
from foveal.page.story import Step
from foveal.terminal import printable

COLOURS: dict[PerceptionKind, str] = {
    "look": "#1a7f37",
    "reencode": "#1a7f37",
    "detect": "#1b66d9",
    "segment": "#a626a4",
    "depth": "#0b7a75",
    "read": "#bc4c00",
}
"""One for each kind of specialist; white text on any of them can be read (4.5 to 1 or better)."""
CROWDED = 6
"""More boxes than this are labelled with their numbers alone."""
LONGEST = 24
"""Characters of a label."""

XYXY = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stroke:
    """One box on an image, and perhaps what is inside it."""

    xyxy: XYXY
    """In pixels of the original image."""
    label: str
    kind: PerceptionKind
    mask: Image | None = None
    """Grey, white where the mask is; it covers the box."""


def strokes(step: Step, marks: Iterable[XYXY]) -> list[Stroke]:
    """What one action has to show; `marks` is where it pointed, for when nothing came back."""
    kind, seen = step.action.kind, step.observation
    if seen is None or isinstance(seen, Failed):
        return [Stroke(xyxy, "", kind) for xyxy in marks]
    mask = step.sketch.picture if step.sketch and isinstance(seen, Segmented) else None
    found = list(_seen(seen))
    return [
        Stroke(xyxy, _label(index, name, len(found)), kind, mask) for xyxy, index, name in found
    ]


def relied_on(evidence: Sequence[Evidence]) -> list[Stroke]:
    """What an answer rests on; of several boxes around one thing the last is labelled."""
    drawn: list[Stroke] = []
    for piece in evidence:
        stroke = Stroke(piece.box, _label(0, piece.label, len(evidence)), piece.action)
        drawn = [replace(one, label="") if _same(one, stroke) else one for one in drawn]
        drawn.append(stroke)
    return drawn


def _same(one: Stroke, other: Stroke) -> bool:
    """Whether two boxes are of the same name and each holds the other's middle."""
    return one.label == other.label and _middle_of(one, other) and _middle_of(other, one)


def _middle_of(one: Stroke, other: Stroke) -> bool:
    x, y = (one.xyxy[0] + one.xyxy[2]) / 2, (one.xyxy[1] + one.xyxy[3]) / 2
    x0, y0, x1, y1 = other.xyxy
    return x0 <= x <= x1 and y0 <= y <= y1


def _seen(seen: Observation) -> Iterator[tuple[XYXY, int, str]]:
    """Boxes with their numbers and names."""
    match seen:
        case Detected():
            yield from ((one.box.xyxy, one.index, one.label) for one in seen.objects)
        case Segmented():
            yield seen.box.xyxy, seen.index, seen.label
        case Ranged():
            for one in seen.ranges:
                yield one.box.xyxy, one.index, f"{one.label} {one.depth:.2f}".strip()
        case Recognised():
            yield from ((line.box.xyxy, 0, line.text) for line in seen.lines)
        case Looked():
            yield from ((view.source.xyxy, seen.index, seen.label) for view in seen.views)
        case Reencoded() | Failed():
            return  # the whole image, or nothing


def _label(index: int, name: str, count: int) -> str:
    """A number and a name, as far as there is room for them and a font that has the letters."""
    number = str(index) if index else ""
    name = printable(" ".join(name.split()))
    if count > CROWDED or any(ord(letter) > 0x24F for letter in name):
        return number
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
    return f"{number} {short}".strip()
