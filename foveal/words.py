"""Actions, observations and what an answer rests on, in words, for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from foveal.agent.actions import (
    Area,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    Read,
    Reencode,
    Segment,
    Target,
    targets_of,
)
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
from foveal.graphs.result import Result

LINES = 8
"""Objects, distances or lines of text that are listed one by one."""

_ENCODERS = {"clip": "the vision encoder", "detection": "DINOv2", "seg": "SAM"}


def asked(action: Perception, names: Mapping[int, str]) -> str:
    """What an action asks for; `names` are the labels of the objects found so far."""
    where = "" if action.image is None else f" in image {action.image}"
    return _asked(action, names) + where


def _asked(action: Perception, names: Mapping[int, str]) -> str:
    places = [_place(target, names) for target in targets_of(action)]
    match action:
        case Detect():
            return f'detect "{action.phrase}"'
        case Look():
            return f"look at {places[0]}"
        case Segment():
            return f"outline {places[0]}"
        case Depth():
            return f"compare the distance of {', '.join(places) or 'everything'}"
        case Read():
            return f"read the text on {places[0]}" if places else "read all text"
        case Reencode():
            return f"see the whole image through {_ENCODERS[action.encoder]}"
        case _:
            assert_never(action)


def came_back(observation: Observation) -> list[str]:
    """What was seen, one thing a line."""
    match observation:
        case Detected():
            return _detected(observation)
        case Segmented():
            size = f"{observation.area} pixels, {_percent(observation.share)} of the image"
            return [f"{size}, {_within(observation.box)}"]
        case Ranged():
            lines = [
                f"{_called(r.index, r.label, r.box)} {r.depth:.2f}" for r in observation.ranges
            ]
            if not lines:
                return ["a map of all distances"]
            return ["nearest first, 0 near to 1 far:", *_capped(lines)]
        case Recognised():
            lines = [f'"{line.text}" {_percent(line.score)}' for line in observation.lines]
            return _capped(lines) or ["no text"]
        case Looked() | Reencoded():
            return [_seen(observation.views)]
        case Failed():
            refused = "refused: " if observation.error == "action" else ""
            return [f"{refused}{observation.message}"]
        case _:
            assert_never(observation)


def relied(result: Result) -> list[str]:
    """Whether the answer depends on what was seen, where that was asked."""
    compared = result.faithful
    if compared is None:
        return []
    if not compared.depends:
        told = "the answer is the same without what was seen"
    elif compared.without:
        told = f'without what was seen the answer would be "{compared.without}"'
    else:
        return ["without what was seen there would be no answer"]
    sure = compared.confidence_without
    return [told if sure is None else f"{told} (confidence {100 * sure:.0f} %)"]


def _detected(observation: Detected) -> list[str]:
    lines = [
        f"{_called(found.index, found.label, found.box)} {_percent(found.score)}, {_within(found.box)}"
        for found in observation.objects
    ]
    unknown = [f'"{phrase}" is nothing this detector knows' for phrase in observation.unknown]
    count = [] if unknown and not lines else [f"{len(lines) or 'none'} found"]
    return [*count, *_capped(lines), *unknown]


def _capped(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - LINES
    return [*lines[:LINES], *([f"and {rest} more"] if rest > 0 else [])]


def _place(target: Target, names: Mapping[int, str]) -> str:
    if isinstance(target, Object):
        label = names.get(target.index, "")
        return f"object {target.index}" + (f" ({label})" if label else "")
    if isinstance(target, Area):
        x0, y0, x1, y1 = (
            f"{100 * side:.0f}" for side in (target.x0, target.y0, target.x1, target.y1)
        )
        return f"{x0} to {x1} % across, {y0} to {y1} % down"
    across, down = _span(target.x0, target.x1), _span(target.y0, target.y1)
    return f"columns {across}, rows {down} of 8 x 8"


def _span(first: int, last: int) -> str:
    return f"{first + 1}" if first == last else f"{first + 1} to {last + 1}"


def _called(index: int, label: str, box: Box) -> str:
    name = label or f"the part {_within(box)}"
    return f"[{index}] {name}" if index else name


def _within(box: Box) -> str:
    x0, y0, x1, y1 = (round(side) for side in box.xyxy)
    return f"at {x0},{y0} to {x1},{y1}"


def _seen(views: Iterable[View]) -> str:
    tokens = sum(view.tokens.count for view in views if view.tokens)
    return f"{tokens} visual tokens" if tokens else "a picture"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
