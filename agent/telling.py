"""What was seen, for a model that reads words and pictures: sentences, and views where pictures belong."""

from collections.abc import Sequence
from typing import assert_never

from foveal.agent.coordinates import Frame, written
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
from foveal.agent.transcript import Injected, Noted

READ_LIMIT = 2000
"""Characters of recognised text that the model is shown."""

Told = str | View


def told(items: Sequence[Injected], frame: Frame) -> list[Told]:
    """What came back after a turn: a paragraph per item, each view after the words that announce it."""
    pieces: list[Told] = []
    for item in items:
        if isinstance(item, Noted):
            seen: list[Told] = [_noted(item)]
        else:
            seen = observed(item.observation, frame.of(item.image))
        pieces += [*(["\n"] if pieces else []), *seen]
    return _joined(pieces)


def observed(observation: Observation, frame: Frame) -> list[Told]:
    """One observation in words, then its views. `frame` is that of the image it was made in."""
    words, *views = _seen(observation, frame)
    if frame.number is None or isinstance(observation, Failed):
        return [words, *views]
    return [f"in image {frame.number}: {words}", *views]


def _seen(observation: Observation, frame: Frame) -> list[Told]:
    match observation:
        case Detected():
            words = _detected(observation, frame)
        case Segmented():
            words = _segmented(observation, frame)
        case Ranged():
            words = _ranged(observation, frame)
        case Recognised():
            return [_recognised(observation, frame)]
        case Looked():
            words = f"closer look at {_looked(observation, frame)}:"
        case Reencoded():
            words = f"the whole image again, through the encoder {observation.encoder}:"
        case Failed():
            return [f"error: {observation.message}"]
        case _:
            assert_never(observation)
    return [words, *observation.views]


def _noted(note: Noted) -> str:
    return f"error: {note.text}" if note.error else note.text


def _joined(pieces: Sequence[Told]) -> list[Told]:
    """Neighbouring words as one."""
    joined: list[Told] = []
    for piece in pieces:
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _detected(seen: Detected, frame: Frame) -> str:
    count = len(seen.objects)
    lines = [f'"{seen.phrase}": {count or "none"} found' + (", left to right:" * (count > 1))]
    listed = [found for found in seen.objects if found.index]
    lines += [
        f"{_named(found.index, found.label)} {_box(found.box, frame)}, score {found.score:.2f}"
        for found in listed
    ]
    lines += [f"and {count - len(listed)} more"] * (count > len(listed))
    lines += [f'"{phrase}" is nothing this detector knows' for phrase in seen.unknown]
    # What it does not know it has not looked for: "none found" would be taken for an answer.
    return "\n".join(lines[1:] if seen.unknown and not count else lines)


def _segmented(seen: Segmented, frame: Frame) -> str:
    x, y = seen.centroid
    centre = frame.numbers((x, y, x + 1, y + 1))[:2]
    words = f"outline of {_target(seen.index, seen.label, seen.box, frame)}: {_percent(seen.share)} of the image"
    words += f", centre {written(centre)}, within {_box(seen.box, frame)}"
    return words + ":" * bool(seen.views)


def _ranged(seen: Ranged, frame: Frame) -> str:
    if not seen.ranges:
        return "distances in the whole image, near is bright:" if seen.views else "no distances"
    lines = [
        f"{_target(one.index, one.label, one.box, frame)} {one.depth:.2f}" for one in seen.ranges
    ]
    drawn = ["the whole image, near is bright:"] * bool(seen.views)
    return "\n".join(["distance from 0 (nearest) to 1 (farthest), nearest first:", *lines, *drawn])


def _recognised(seen: Recognised, frame: Frame) -> str:
    lines = [f'"{line.text}" {_box(line.box, frame)}' for line in seen.lines]
    text = "\n".join(["text, from top to bottom:", *lines]) if lines else "no text there"
    return text if len(text) <= READ_LIMIT else text[:READ_LIMIT] + "..."


def _looked(seen: Looked, frame: Frame) -> str:
    where = _box(seen.views[0].source, frame) if seen.views else ""
    return f"{_named(seen.index, seen.label)} {where}".strip()


def _target(index: int, label: str, box: Box, frame: Frame) -> str:
    """An object by its number and label; a bare part of the image, which has neither, by its box."""
    return _named(index, label) or _box(box, frame)


def _named(index: int, label: str) -> str:
    return f"object {index} ({label})" if index else label


def _box(box: Box, frame: Frame) -> str:
    return written(frame.numbers(box.xyxy))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
