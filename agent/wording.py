"""One observation in the words that small models were trained on: the same for serving and for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from foveal.agent.actions import Encoder
from foveal.agent.grammar import spell
from foveal.agent.observations import (
    Detected,
    Failed,
    Found,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
)
from foveal.agent.phrases import match, split
from foveal.agent.regions import box_to_cells

READ_LIMIT = 400
"""Characters of recognised text that the model is shown."""
SPREAD = 0.75
"""Depth is relative: 0 near to 1 far, even in 1 / distance. For true sizes the farthest pixel is taken to be four
times as far away as the nearest."""


@dataclass(frozen=True)
class Reseen:
    """The image through another encoder, where the model's own projector has still to condition it."""

    encoder: Encoder
    view: View


Piece = str | View | Reseen


def told(observation: Observation, size: tuple[int, int]) -> list[Piece]:
    """One observation in words the model was trained on, then its views."""
    match observation:
        case Detected():
            words = _detected(observation, size)
        case Segmented():
            words = f"area {_target(observation, size)}\n{_share(observation.share)}"
        case Ranged():
            names = [_target(target, size) for target in observation.ranges]
            words = "depth" + "".join(f"\n{line}" for line in _ends("near", names, "far"))
        case Recognised():
            text = " ".join(line.text for line in observation.lines)
            words = f"text\n{plain(text)[:READ_LIMIT]}" if text else "no text"
        case Looked():
            words = f"look {_named(observation.index, observation.label)}".rstrip()
        case Reencoded():
            encoder = observation.encoder
            return [f"again {encoder}", *(Reseen(encoder, view) for view in observation.views)]
        case Failed():
            return [f"error {plain(observation.message)}"]
        case _:
            assert_never(observation)
    return [words, *(() if isinstance(observation, Recognised) else observation.views)]


def extremes(seen: Sequence[Observation], size: tuple[int, int]) -> list[Piece]:
    """The largest and the smallest of several outlines in one turn: in truth, where depths came with them."""
    areas = [one for one in seen if isinstance(one, Segmented)]
    if len(areas) < 2:
        return []
    depths = {r.index: r.depth for one in seen if isinstance(one, Ranged) for r in one.ranges}
    known = all(area.index in depths for area in areas)
    lengths = [area.share**0.5 / (1 - SPREAD * depths.get(area.index, 0.0)) for area in areas]
    measures = lengths if known else [area.share for area in areas]
    ordered = sorted(zip(measures, areas, strict=True), key=lambda pair: -pair[0])
    names = [_target(segmented, size) for _, segmented in (ordered[0], ordered[-1])]
    truly = "is " if known else ""
    lines = _ends(f"{truly}larger", names, f"{truly}smaller")
    return ["".join(f"\n{line}" for line in lines)]


def plain(text: str) -> str:
    """Text that cannot be read as a special token, whatever an image or a user wrote."""
    return text.replace("<|", "< |")


def _ends(first: str, lines: list[str], last: str) -> list[str]:
    """An ordered list with its two ends named: a small model looks a word up sooner than it counts lines."""
    if len(lines) < 2:
        return lines
    return [f"{first} {lines[0]}", *lines[1:-1], f"{last} {lines[-1]}"]


def _detected(detected: Detected, size: tuple[int, int]) -> str:
    named = [_ordinal(found, detected) + _listed(found, size) for found in detected.objects]
    lines = _ends("left", named, "right")
    listed = [line for line, found in zip(lines, detected.objects, strict=True) if found.index]
    words = [f"found\n{len(detected.objects)}", *listed, *_downwards(detected)]
    return "\n".join([*words, *(f"unknown {plain(phrase)}" for phrase in detected.unknown)])


def _downwards(detected: Detected) -> list[str]:
    """The same objects from the top of the picture to its bottom, if there are several."""
    down = sorted(detected.objects, key=lambda found: found.box.xyxy[1] + found.box.xyxy[3])
    named = [_ordinal(found, detected) + _named(found.index, found.label) for found in down]
    lines = _ends("above", named, "below")
    listed = [line for line, found in zip(lines, down, strict=True) if found.index]
    return listed if len(listed) > 1 else []


def _ordinal(found: Found, detected: Detected) -> str:
    """Which of several phrases an object answers, from 1."""
    if " . " not in detected.phrase:
        return ""
    return str(_answered(found, detected.phrase) or "")


def _answered(found: Found, phrase: str) -> int:
    """The first of the phrases that means what the object's label says, from 1; 0 for none."""
    fitting = (match(one, [found.label]).classes for one in split(phrase))
    return next((number for number, fits in enumerate(fitting, start=1) if fits), 0)


def _listed(found: Found, size: tuple[int, int]) -> str:
    cells = spell(box_to_cells(found.box.xyxy, *size))
    return f"{_named(found.index, found.label)}{cells}{_tenths(found.score)}"


def _target(seen: Segmented | Range, size: tuple[int, int]) -> str:
    """An object by its number and label; a bare region, which has neither, by its cells."""
    return _named(seen.index, seen.label) or spell(box_to_cells(seen.box.xyxy, *size))


def _named(index: int, label: str) -> str:
    return f"<|obj_{index}|>{plain(label)}" if index else plain(label)


def _tenths(score: float) -> str:
    return str(min(9, max(0, int(score * 10))))


def _share(share: float) -> str:
    """Area in ten-thousandths of the image, always four digits, so that digits compare left to right."""
    return f"{min(9999, max(0, round(share * 10_000))):04d}"
