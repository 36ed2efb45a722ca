"""What a model that was never trained on perception tokens is told it can do: tasks, not model APIs.

One table. From it follow the manual in a system prompt, where actions are spelled in text, and the schemas of
tool calls. How the arguments of a call become an action stands in `agent/calls.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foveal.agent.actions import (
    Area,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    PerceptionKind,
    Read,
    Reencode,
    Segment,
)
from foveal.agent.calls import action_of, parameters
from foveal.agent.coordinates import UNITS, Convention, Frame
from foveal.agent.grammar import render

__all__ = ["CAPABILITIES", "Capability", "action_of", "manual", "schemas"]

_PART = Area(x0=0.125, y0=0.25, x1=0.5, y1=0.75)
_FIRST, _SECOND = Object(index=1), Object(index=2)


@dataclass(frozen=True)
class Capability:
    """One kind of action as a task."""

    task: str
    """What it does."""
    helps: str
    """When it is worth its time."""
    not_for: str
    """When it is not."""
    examples: tuple[Perception, ...]
    """What it can be asked for."""


CAPABILITIES: dict[PerceptionKind, Capability] = {
    "look": Capability(
        "look closer: shows one part of the image enlarged, in full resolution",
        "small, distant or unclear things, and a detail that the answer hangs on",
        "what the first view already shows clearly",
        (Look(target=_PART), Look(target=_FIRST)),
    ),
    "reencode": Capability(
        "look again: shows the whole image once more, through another encoder where there is one",
        "a first view that seems to have missed something as a whole",
        "details, which a closer look shows better",
        (Reencode(encoder="clip"), Reencode(encoder="detection"), Reencode(encoder="seg")),
    ),
    "detect": Capability(
        "find and count: finds all objects that fit a short phrase, and numbers them with their boxes",
        "counting, finding where things are, and objects that are to be compared",
        "actions, relations and whole scenes; a phrase names one kind of object",
        (Detect(phrase="red cube"),),
    ),
    "segment": Capability(
        "measure a shape: outlines one object or part and gives its area and its centre",
        "comparing sizes, and exact borders",
        "finding objects: find them first",
        (Segment(target=_FIRST), Segment(target=_PART)),
    ),
    "depth": Capability(
        "measure distance: gives the relative depth of objects or parts, nearest first, or a map of everything",
        "what is nearer or farther, in front or behind",
        "distances across the image, and distances in metres",
        (Depth(targets=(_FIRST, _SECOND)), Depth(targets=(_PART,)), Depth()),
    ),
    "read": Capability(
        "read text: recognises the writing in a part, on an object or in the whole image",
        "signs, labels, documents and numbers, small ones above all",
        "images without writing",
        (Read(target=_PART), Read(target=_FIRST), Read()),
    ),
}


def manual(kinds: Sequence[PerceptionKind], frame: Frame, spelled: bool = True) -> str:
    """What a system prompt says of the actions that a run allows.

    Not `spelled`, it leaves out how they are written: the model calls them as tools.
    """
    task = f"Answer the question about the image{'s' * bool(frame.rest)}, in a few plain words."
    if not kinds:
        return task
    ways = [_way(kind, frame, spelled) for kind in kinds]
    opening = f"{task} {_OPENINGS[bool(frame.rest)]}"
    return "\n".join([opening, "", *ways, "", *_rules(frame, spelled)])


_OPENINGS = (
    "If the image already shows the answer clearly, answer at once. If not, you can look again first:",
    "If the images already show the answer clearly, answer at once. If not, you can look again first, at one "
    "image at a time:",
)


def _way(kind: PerceptionKind, frame: Frame, spelled: bool) -> str:
    one = CAPABILITIES[kind]
    words = f"- {kind}: {one.task}. Good for {one.helps}; not for {one.not_for}."
    if not spelled:
        return words
    return words + " Write " + " or ".join(render(action, frame.spelled) for action in one.examples)


def _rules(frame: Frame, spelled: bool) -> list[str]:
    boxes = _boxes(frame)
    if not spelled:
        return [*boxes, "Objects that were found are referred to by their number."]
    return [
        *boxes,
        *_which(frame),
        "Objects that were found are written by their number, as <|obj_1|>.",
        "Write one of these, or several at once, and stop there: what was seen comes next. "
        "An answer has none of them in it.",
    ]


def _boxes(frame: Frame) -> list[str]:
    if not frame.rest:
        return [
            f"A box is {frame.rule}. Boxes always refer to the first image, also after a closer look."
        ]
    rule = frame.rule
    if len({one.limits for one in frame.each}) > 1:
        sides = "; ".join(f"in image {one.number} {one.sides}" for one in frame.each)
        rule = f"[x0, y0, x1, y1] in {UNITS[frame.convention]}: {sides}"
    told = f"The question comes with {len(frame.each)} images, numbered from 1. A box is {rule}."
    return [f"{told} Boxes always refer to these images, also after a closer look."]


def _which(frame: Frame) -> list[str]:
    """How an action says which of several images it is about."""
    if not frame.rest:
        return []
    example = render(Detect(phrase="red cube", image=2))
    return [
        f"Image 1 is meant unless an action begins with the number of another, as {example}; an object is looked "
        "at in the image in which it was found."
    ]


def schemas(
    kinds: Sequence[PerceptionKind], convention: Convention, images: int = 1
) -> list[dict[str, Any]]:
    """A function per kind for tool calling: its name, description, parameters, and that they are strict.

    Every argument is required, and null where it is not given, as strict schemas want it.
    """
    return [
        {
            "name": kind,
            "description": _described(CAPABILITIES[kind]),
            "strict": True,
            "parameters": parameters(kind, convention, images),
        }
        for kind in kinds
    ]


def _described(one: Capability) -> str:
    return f"{one.task[0].upper()}{one.task[1:]}. Good for {one.helps}; not for {one.not_for}."
