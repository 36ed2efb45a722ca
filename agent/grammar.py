"""The spelling of every action: a table, from which parsing, rendering and the decoding masks follow.

This is the only file that knows how an action is written. The region and re-encode rows are those of
the Visual Perception Token paper (arXiv 2502.17425), to the token. Models without perception tokens write the
same in ordinary characters, and boxes as `[x0, y0, x1, y1]` where the others have cell tokens.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from pydantic import ValidationError

from foveal.agent.actions import (
    GRID,
    MAX_IMAGES,
    MAX_OBJECTS,
    Action,
    Answer,
    Area,
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
    Target,
    image_missing,
    sound,
    targets_of,
)
from foveal.agent.errors import ActionError

REGION_START, REGION_END = "<|region_token_start|>", "<|region_token_end|>"
X_TOKENS = tuple(f"<|x_{i}|>" for i in range(GRID))
Y_TOKENS = tuple(f"<|y_{i}|>" for i in range(GRID))
OBJECT_TOKENS = tuple(f"<|obj_{i}|>" for i in range(1, MAX_OBJECTS + 1))
IMAGE_TOKENS = tuple(f"<|img_{i}|>" for i in range(1, MAX_IMAGES + 1))
"""Which of several images is meant; in no vocabulary, since models with perception tokens know one image."""


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
CONTROL_TOKENS: tuple[str, ...] = tuple(form.fixed for form in FORMS if form.fixed)
"""Tokens whose embedding is the state before them instead of a row of the table."""
PERCEPTION_TOKENS: tuple[str, ...] = (*ACTION_TOKENS, *X_TOKENS, *Y_TOKENS, *OBJECT_TOKENS)
"""Every token that the vocabulary adds to a language model's own."""

_STARTS = {form.start: form for form in FORMS}
_ENCODERS = {
    "<|clip_action|>": "clip",
    "<|detection_action|>": "detection",
    "<|seg_action|>": "seg",
}
_SPLIT = re.compile("(" + "|".join(map(re.escape, (*PERCEPTION_TOKENS, *IMAGE_TOKENS))) + ")")
_COLUMNS = {token: index for index, token in enumerate(X_TOKENS)}
_ROWS = {token: index for index, token in enumerate(Y_TOKENS)}
_CELLS = frozenset((*X_TOKENS, *Y_TOKENS))
_NUMBERS = {token: number for number, token in enumerate(OBJECT_TOKENS, start=1)}
_IMAGES = {token: number for number, token in enumerate(IMAGE_TOKENS, start=1)}
_BOX = re.compile(r"\[([^\[\]]*)\]")
_BETWEEN = re.compile(r"[\s,]+")

Place = Callable[[Sequence[float]], Region | Area]
"""What the numbers of a box point at. Raises ActionError when that cannot be said."""


def spell(target: Target) -> str:
    """A region as its four cell tokens, an object as its token; an area, which has no tokens, as its fractions."""
    if isinstance(target, Object):
        return f"<|obj_{target.index}|>"
    if isinstance(target, Area):
        return f"[{target.x0:.3f}, {target.y0:.3f}, {target.x1:.3f}, {target.y1:.3f}]"
    return f"<|x_{target.x0}|><|y_{target.y0}|><|x_{target.x1}|><|y_{target.y1}|>"


def render(action: Action, spell: Callable[[Target], str] = spell) -> str:
    """An action as the model writes it; `spell` writes its targets."""
    if isinstance(action, Answer):
        return action.text
    plain = _rendered(action, spell)
    if action.image is None:
        return plain
    start, inside = plain.split("|>", 1)
    return f"{start}|>{IMAGE_TOKENS[action.image - 1]}{inside}"


def _rendered(action: Perception, spell: Callable[[Target], str]) -> str:
    """It, without the image that it names."""
    match action:
        case Detect():
            return f"<|detect_start|>{action.phrase}<|detect_end|>"
        case Look():
            inside = spell(action.target)
            if inside.startswith(X_TOKENS):
                return f"{REGION_START}{inside}{REGION_END}"
            return f"<|look_start|>{inside}<|look_end|>"
        case Reencode():
            name = f"{action.encoder}_action"
            return f"<|{name}_start|><|{name}|><|{name}_end|>"
        case Segment() | Depth() | Read():
            inside = "".join(spell(target) for target in targets_of(action))
            return f"<|{action.kind}_start|>{inside}<|{action.kind}_end|>"
        case _:
            assert_never(action)


def parse(text: str, *places: Place | None) -> tuple[Action, ...]:
    """The actions in one turn, in order; a turn without perception actions is one Answer.

    Cell tokens of a region may come in any order and number, as in the paper: the region spans their
    extremes. Text around actions is dropped. Boxes in digits are read where `places` say what
    they point at, one for each of the question's images.
    Raises ActionError naming the first thing that is malformed.
    """
    pieces = [piece for piece in _SPLIT.split(sound(text)) if piece]
    actions: list[Action] = []
    position = 0
    while position < len(pieces):
        form = _STARTS.get(pieces[position])
        if form is None:
            _reject_stray(pieces[position])
            position += 1
            continue
        stop = _end_of(pieces, position, form)
        inside = [piece for piece in pieces[position + 1 : stop] if piece.strip()]
        actions.append(_action(form, inside, places))
        position = stop + 1
    return tuple(actions) if actions else (Answer(text=text.strip()),)


def _reject_stray(piece: str) -> None:
    if piece in _IMAGES:
        raise ActionError(
            f"{piece} stands outside an action; it belongs right after the start of one"
        )
    if _SPLIT.fullmatch(piece):
        raise ActionError(f"{piece} stands outside an action; it belongs after {_home(piece)}")


def _home(token: str) -> str:
    """The start of the first kind of action in which a token may stand."""
    for form in FORMS:
        held = (form.objects and token in _NUMBERS) or (form.regions and token in _CELLS)
        if held or token in (form.fixed, form.end):
            return form.start
    raise AssertionError(f"no form holds {token}")


def _end_of(pieces: Sequence[str], start: int, form: Form) -> int:
    for position in range(start + 1, len(pieces)):
        if pieces[position] == form.end:
            return position
        if pieces[position] in _STARTS:
            break
    raise ActionError(f"{form.start} is never closed; expected {form.end}")


def _action(form: Form, inside: Sequence[str], places: Sequence[Place | None]) -> Perception:
    image, rest = _picked(form, inside)
    if image is not None and places and image > len(places):
        raise image_missing(image, len(places))
    place = places[(image or 1) - 1] if places else None
    try:
        return _build(form, rest, place).model_copy(update={"image": image})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ActionError(f"{form.kind} with {_quoted(inside)}: {reason}") from None


def _picked(form: Form, inside: Sequence[str]) -> tuple[int | None, list[str]]:
    """The image that an action names, if it does, and what else stands in it."""
    named = dict.fromkeys(_IMAGES[piece] for piece in inside if piece in _IMAGES)
    if len(named) > 1:
        raise ActionError(f"{form.start} names {len(named)} images; an action is about one")
    return next(iter(named), None), [piece for piece in inside if piece not in _IMAGES]


def _build(form: Form, inside: Sequence[str], place: Place | None) -> Perception:
    if form.fixed:
        if tuple(inside) not in ((), (form.fixed,)):
            raise ActionError(f"{form.start} must be followed by {form.fixed} and nothing else")
        return Reencode.model_validate({"encoder": _ENCODERS[form.fixed]})
    if form.text:
        return Detect(phrase=_phrase(inside, form))
    targets = _targets(inside, form, place)
    if not form.least <= len(targets) <= form.most:
        raise ActionError(f"{_rule(form, place)}, got {len(targets)}")
    if form.kind == "depth":
        return Depth(targets=tuple(targets))
    if form.kind == "read":
        return Read(target=targets[0] if targets else None)
    return Look(target=targets[0]) if form.kind == "look" else Segment(target=targets[0])


def _phrase(inside: Sequence[str], form: Form) -> str:
    if len(inside) != 1:
        raise ActionError(f"{form.kind} takes a phrase such as 'red cube', got {_quoted(inside)}")
    return inside[0]


def _targets(inside: Sequence[str], form: Form, place: Place | None) -> list[Target]:
    found: list[Target] = []
    cells: list[str] = []
    for piece in inside:
        if form.regions and piece in _CELLS:
            cells.append(piece)
        elif form.objects and piece in _NUMBERS:
            found += [*_regions(cells, form), Object(index=_NUMBERS[piece])]
            cells = []
        elif place is not None and _BETWEEN.sub("", _BOX.sub("", piece)) in ("", "[]"):
            found += [*_regions(cells, form), *(place(box) for box in _boxes(piece))]
            cells = []
        else:
            raise ActionError(f"{_rule(form, place)}, not {_quoted([piece])}")
    return [*found, *_regions(cells, form)]


def _regions(cells: Sequence[str], form: Form) -> list[Region]:
    """The regions that neighbouring cell tokens spell: one where only one may stand, else four tokens each."""
    each = len(cells) if form.most == 1 else 4
    if cells and len(cells) % each:
        raise ActionError(f"{form.kind} takes four cell tokens per region, got {len(cells)}")
    return [_region(cells[i : i + each]) for i in range(0, len(cells), each or 1)]


def _region(cells: Sequence[str]) -> Region:
    xs = [_COLUMNS[cell] for cell in cells if cell in _COLUMNS]
    ys = [_ROWS[cell] for cell in cells if cell in _ROWS]
    if not (xs and ys):
        raise ActionError(f"a region needs x and y cells, got {''.join(cells)}")
    return Region(x0=min(xs), y0=min(ys), x1=max(xs), y1=max(ys))


def _boxes(piece: str) -> list[list[float]]:
    """The numbers of every box in brackets."""
    try:
        return [[float(side) for side in box.split(",")] for box in _BOX.findall(piece)]
    except ValueError:
        raise ActionError(f"{_quoted([piece])} is no box; write [x0, y0, x1, y1]") from None


def _rule(form: Form, place: Place | None = None) -> str:
    """What may stand in an action, in words for the model."""
    region = f"region such as {X_TOKENS[1]}{Y_TOKENS[1]}{X_TOKENS[3]}{Y_TOKENS[2]}"
    target = f"object such as {OBJECT_TOKENS[0]}"
    kinds = [region] * form.regions + [target] * form.objects
    if place is not None and kinds:
        kinds = ["box [x0, y0, x1, y1]", target]
    count = "one" if form.least == form.most else f"{form.least} to {form.most}"
    return f"{form.start} takes {count} {' or '.join(kinds)}"


def _quoted(pieces: Sequence[str], limit: int = 60) -> str:
    text = "".join(pieces)
    return repr(text if len(text) <= limit else text[:limit] + "...")
