"""The spelling of every action: a table, from which parsing, rendering and the decoding mask follow.

This is the only file that knows how an action is written. The region and re-encode rows are those of
the Visual Perception Token paper (arXiv 2502.17425), to the token.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from pydantic import ValidationError

from foveal.agent.actions import (
    GRID,
    MAX_OBJECTS,
    Action,
    Answer,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    PerceptionKind,
    Read,
    Reencode,
    Region,
    Segment,
    targets_of,
)
from foveal.agent.errors import ActionError

REGION_START, REGION_END = "<|region_token_start|>", "<|region_token_end|>"
X_TOKENS = tuple(f"<|x_{i}|>" for i in range(GRID))
Y_TOKENS = tuple(f"<|y_{i}|>" for i in range(GRID))
OBJECT_TOKENS = tuple(f"<|obj_{i}|>" for i in range(1, MAX_OBJECTS + 1))


@dataclass(frozen=True)
class Form:
    """How one kind of action is written: start, argument, end."""

    kind: PerceptionKind
    start: str
    end: str
    text: bool = False
    """The argument is plain text."""
    regions: bool = False
    """The argument may be four cell tokens: left, top, right, bottom."""
    objects: bool = False
    """The argument may be an object token."""
    least: int = 1
    """Fewest targets."""
    most: int = 1
    """Most targets."""
    fixed: str = ""
    """A token that must stand between start and end."""


FORMS: tuple[Form, ...] = (
    Form("look", REGION_START, REGION_END, regions=True),
    Form("look", "<|look_start|>", "<|look_end|>", objects=True),
    Form("reencode", "<|clip_action_start|>", "<|clip_action_end|>", fixed="<|clip_action|>"),
    Form(
        "reencode",
        "<|detection_action_start|>",
        "<|detection_action_end|>",
        fixed="<|detection_action|>",
    ),
    Form("reencode", "<|seg_action_start|>", "<|seg_action_end|>", fixed="<|seg_action|>"),
    Form("detect", "<|detect_start|>", "<|detect_end|>", text=True),
    Form("segment", "<|segment_start|>", "<|segment_end|>", regions=True, objects=True),
    Form("depth", "<|depth_start|>", "<|depth_end|>", regions=True, objects=True, least=0, most=8),
    Form("read", "<|read_start|>", "<|read_end|>", regions=True, objects=True, least=0),
)

ACTION_TOKENS: tuple[str, ...] = tuple(
    dict.fromkeys(t for form in FORMS for t in (form.start, form.fixed, form.end) if t)
)
PERCEPTION_TOKENS: tuple[str, ...] = (*ACTION_TOKENS, *X_TOKENS, *Y_TOKENS, *OBJECT_TOKENS)
"""Every token that the vocabulary adds to a language model's own."""

_STARTS = {form.start: form for form in FORMS}
_ENCODERS = {"<|clip_action|>": "clip", "<|detection_action|>": "detection", "<|seg_action|>": "seg"}
_SPLIT = re.compile("(" + "|".join(re.escape(t) for t in PERCEPTION_TOKENS) + ")")
_POSITION = re.compile(r"<\|([xy])_(\d)\|>")
_OBJECT = re.compile(r"<\|obj_(\d+)\|>")


def render(action: Action) -> str:
    """An action as the model writes it."""
    match action:
        case Answer():
            return action.text
        case Detect():
            return f"<|detect_start|>{action.phrase}<|detect_end|>"
        case Look(target=Region()):
            return f"{REGION_START}{spell(action.target)}{REGION_END}"
        case Look():
            return f"<|look_start|>{spell(action.target)}<|look_end|>"
        case Reencode():
            name = f"{action.encoder}_action"
            return f"<|{name}_start|><|{name}|><|{name}_end|>"
        case Segment() | Depth() | Read():
            inside = "".join(spell(target) for target in targets_of(action))
            return f"<|{action.kind}_start|>{inside}<|{action.kind}_end|>"
        case _:
            assert_never(action)


def spell(target: Region | Object) -> str:
    """A region as its four cell tokens, or an object as its token."""
    if isinstance(target, Object):
        return f"<|obj_{target.index}|>"
    return f"<|x_{target.x0}|><|y_{target.y0}|><|x_{target.x1}|><|y_{target.y1}|>"


def parse(text: str) -> tuple[Action, ...]:
    """The actions in one turn, in order; a turn without perception actions is one Answer.

    Cell tokens of a region may come in any order and number, as in the paper: the region spans their
    extremes. Text around actions is dropped. Raises ActionError naming the first thing that is malformed.
    """
    pieces = [piece for piece in _SPLIT.split(text) if piece]
    actions: list[Action] = []
    position = 0
    while position < len(pieces):
        form = _STARTS.get(pieces[position])
        if form is None:
            _reject_stray(pieces[position])
            position += 1
            continue
        stop = _end_of(pieces, position, form)
        actions.append(_action(form, pieces[position + 1 : stop]))
        position = stop + 1
    return tuple(actions) if actions else (Answer(text=text.strip()),)


def _reject_stray(piece: str) -> None:
    if _SPLIT.fullmatch(piece):
        raise ActionError(f"{piece!r} stands outside an action; start one, e.g. {FORMS[0].start}")


def _end_of(pieces: Sequence[str], start: int, form: Form) -> int:
    for position in range(start + 1, len(pieces)):
        if pieces[position] == form.end:
            return position
        if pieces[position] in _STARTS:
            break
    raise ActionError(f"{form.start} is never closed; expected {form.end}")


def _action(form: Form, inside: Sequence[str]) -> Perception:
    try:
        return _build(form, inside)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ActionError(f"{form.kind} with {''.join(inside)!r}: {reason}") from None


def _build(form: Form, inside: Sequence[str]) -> Perception:
    if form.fixed:
        if tuple(inside) not in ((), (form.fixed,)):
            raise ActionError(f"{form.start} must be followed by {form.fixed} and nothing else")
        return Reencode.model_validate({"encoder": _ENCODERS[form.fixed]})
    if form.text:
        return Detect(phrase=_phrase(inside, form))
    targets = _targets(inside, form)
    if not form.least <= len(targets) <= form.most:
        raise ActionError(f"{form.kind} takes {form.least} to {form.most} targets, got {len(targets)}")
    if form.kind == "depth":
        return Depth(targets=tuple(targets))
    if form.kind == "read":
        return Read(target=targets[0] if targets else None)
    return Look(target=targets[0]) if form.kind == "look" else Segment(target=targets[0])


def _phrase(inside: Sequence[str], form: Form) -> str:
    phrase = "".join(inside).strip()
    if len(inside) > 1 or not phrase:
        raise ActionError(f"{form.kind} takes a phrase such as 'red cube', got {phrase!r}")
    return phrase


def _targets(inside: Sequence[str], form: Form) -> list[Region | Object]:
    pieces = [piece for piece in inside if piece.strip()]
    found: list[Region | Object] = []
    cells: list[str] = []
    for piece in pieces:
        if form.objects and (match := _OBJECT.fullmatch(piece)):
            found.append(Object(index=int(match[1])))
        elif form.regions and _POSITION.fullmatch(piece):
            cells.append(piece)
        else:
            raise ActionError(f"{form.kind} cannot take {piece!r}")
    return found + [_region(group) for group in _groups(cells, form)]


def _groups(cells: list[str], form: Form) -> Iterable[list[str]]:
    if not cells:
        return []
    if form.most == 1:
        return [cells]
    if len(cells) % 4:
        raise ActionError(f"{form.kind} takes four cell tokens per region, got {len(cells)}")
    return [cells[i : i + 4] for i in range(0, len(cells), 4)]


def _region(cells: Sequence[str]) -> Region:
    spans: dict[str, list[int]] = {"x": [], "y": []}
    for cell in cells:
        match = _POSITION.fullmatch(cell)
        assert match is not None
        spans[match[1]].append(int(match[2]))
    if not (spans["x"] and spans["y"]):
        raise ActionError(f"a region needs x and y cells, got {''.join(cells)}")
    return Region(x0=min(spans["x"]), y0=min(spans["y"]), x1=max(spans["x"]), y1=max(spans["y"]))
