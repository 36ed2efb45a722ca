"""A transcript as a native model reads it: ChatML text with views where their visual tokens belong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from foveal.agent.actions import PERCEPTIONS, Action, Detect, Encoder, PerceptionKind
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
from foveal.agent.transcript import Asked, Injected, Noted, Observed

END = "<|im_end|>"
USER = "<|im_start|>user\n"
ASSISTANT = f"{END}\n<|im_start|>assistant\n"
READ_LIMIT = 400
"""Characters of recognised text that the model is shown."""
STRAY = "detector failed: none of it was asked for"
"""What a model is told in place of a list that answers another request, as a detector's may."""
SPREAD = 0.75
"""Depth is relative: 0 near to 1 far, even in 1 / distance. For true sizes the farthest pixel is taken to be four
times as far away as the nearest."""


@dataclass(frozen=True)
class Reseen:
    """The image through another encoder, where the model's own projector has still to condition it."""

    encoder: Encoder
    view: View


Piece = str | View | Reseen


@dataclass(frozen=True)
class Foveal:
    """The dialect of the embedded weights, and of all that `agent train` makes."""

    system: str
    """The system prompt; it may name `{tools}`."""
    instructed: bool = False
    """The small models that speak it know these words alone."""
    images: int = 1
    """They were trained on one image a question, and have no token for the number of another."""

    def opening(self, asked: Asked) -> tuple[str, str]:
        """See `opening`."""
        return opening(asked, self.system)

    def reply(self, items: Sequence[Injected], asked: Asked) -> list[Piece]:
        """See `reply`."""
        return reply(items, asked)

    def answered(self, text: str) -> str:
        """The text: this dialect adds nothing to an answer."""
        return text

    def may_drop(self, text: str) -> bool:
        """Never."""
        return False


def opening(asked: Asked, system: str) -> tuple[str, str]:
    """What stands before and after the image's visual tokens, up to the model's first turn.

    `system` may name `{tools}`, which becomes the kinds of action the run allows, or "none".
    """
    tools = " ".join(asked.tools) or "none"
    before = f"<|im_start|>system\n{system.replace('{tools}', tools)}{END}\n{USER}"
    return before, f"{plain(asked.question)}{ASSISTANT}"


def reply(items: Sequence[Injected], asked: Asked) -> list[Piece]:
    """What the model is told after a turn, up to its next turn."""
    pieces: list[Piece] = [f"{END}\n{USER}"]
    for number, item in enumerate(items):
        if number:
            pieces.append("\n")
        pieces += [_noted(item)] if isinstance(item, Noted) else _answer(item, asked.size)
    return [*pieces, *_extremes(items, asked.size), *_reminder(items, asked), ASSISTANT]


def _answer(item: Observed, size: tuple[int, int]) -> list[Piece]:
    """What was observed; not what answers another request, which a small model would take for its own."""
    astray = _astray(item.action, item.observation)
    return [f"error {STRAY}"] if astray else told(item.observation, size)


def _astray(action: Action, seen: Observation) -> bool:
    """Whether something was detected and none of it is what the action asked for."""
    if not isinstance(action, Detect) or not isinstance(seen, Detected) or not seen.objects:
        return False
    return not match(action.phrase, [found.label for found in seen.objects]).classes


def _reminder(items: Sequence[Injected], asked: Asked) -> list[Piece]:
    """The question once more behind a re-encoded image: it can attend to what came before, the first could not."""
    seen = (item.observation for item in items if isinstance(item, Observed))
    again = any(isinstance(one, Reencoded) for one in seen)
    return [f"\n{plain(asked.question)}"] if again else []


def _noted(note: Noted) -> str:
    return f"error {plain(note.text)}" if note.error else plain(note.text)


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


def plain(text: str) -> str:
    """Text that cannot be read as a special token, whatever an image or a user wrote."""
    return text.replace("<|", "< |")


def _extremes(items: Sequence[Injected], size: tuple[int, int]) -> list[Piece]:
    """The largest and the smallest of several outlines in one turn: in truth, where depths came with them."""
    seen = [item.observation for item in items if isinstance(item, Observed)]
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


def tools_in_order(kinds: Sequence[PerceptionKind]) -> tuple[PerceptionKind, ...]:
    """The kinds in the one order that prompts use."""
    return tuple(kind for kind in PERCEPTIONS if kind in kinds)
