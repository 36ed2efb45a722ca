"""What models write that nobody asked for: well-formed turns and calls, then broken in a few places.

A turn is `{"text": ...}`, a turn of tool calls `{"calls": [[name, arguments], ...]}`, as the files in `data/fuzz`
hold them: those are the outputs that once went wrong or nearly did, and they are tried first.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from foveal.agent.actions import (
    Action,
    Answer,
    Area,
    Depth,
    Detect,
    Look,
    Object,
    Read,
    Reencode,
    Region,
    Segment,
    Target,
)
from foveal.agent.calls import arguments_of
from foveal.agent.coordinates import Frame, framed
from foveal.agent.grammar import IMAGE_TOKENS, PERCEPTION_TOKENS, render, spell

CORPUS = Path(__file__).parent / "data" / "fuzz"
SIZE = (96, 64)
FRAMES = (
    Frame("thousand", SIZE, SIZE),
    Frame("pixels", SIZE, SIZE),
    Frame("grid", SIZE, SIZE),
    framed("pixels", [(SIZE, SIZE), ((64, 60), (128, 120))]),
)

JUNK = (
    "<|im_end|>", "<|im_start|>assistant\n", "<|", "|>", "<", "<|obj_17|>", "<|x_8|>", "<|detect_start|",
    "<|DETECT_START|>", "<|detect_start|><|detect_start|>", "\ud800", "\udcff", "\x00", "\u202e", "\r\n", "\u2028",
    "[", "]", ",", "[]", "[0, 0, 1000, 1000]", "[1e999, 0, 1, 1]", "[nan, 0, 1, 1]", "[0,0,0,0]", "[-1,-1,2000,9]",
    "[1,2,3]", "[0x10, 1, 2, 3]", "[[1,2,3,4]]", "[1_0, 2, 30, 40]", "[" * 40, "\u0663", "\uff19" * 30,
    "2", "yes", " ", "", "unknown", "{", "}", '{"count": 2}', '{"count": "two"', "```json\n", "```", "null", "NaN",
    "</think>", "<think>", '<tool_call>{"name": "look", "arguments": {}}</tool_call>', "Now answer the question.",
    "error: no such tool", "{tools}", "{0}", "%s", "\\u0000", "<|obj_1|>" * 20, "a" * 300,
)  # fmt: skip

_PIECES = re.compile(
    "(" + "|".join(map(re.escape, (*PERCEPTION_TOKENS, *IMAGE_TOKENS))) + r"|\[|\]|,|\s)"
)


def corpus(name: str) -> list[dict[str, Any]]:
    """The outputs in one file of the corpus."""
    lines = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _region(cells: Sequence[int]) -> Region:
    (x0, x1), (y0, y1) = sorted(cells[:2]), sorted(cells[2:])
    return Region(x0=x0, y0=y0, x1=x1, y1=y1)


def _area(sides: Sequence[int]) -> Area:
    x0, width, y0, height = sides
    left, top = x0 / 10, y0 / 10
    return Area(x0=left, y0=top, x1=min(1, left + width / 10), y1=min(1, top + height / 10))


CELL, SIDE = st.integers(0, 7), st.integers(0, 9)
TARGETS: st.SearchStrategy[Target] = st.one_of(
    st.builds(Object, index=st.integers(1, 16)),
    st.tuples(CELL, CELL, CELL, CELL).map(_region),
    st.tuples(SIDE, st.integers(1, 9), SIDE, st.integers(1, 9)).map(_area),
)
PHRASES = st.sampled_from(["red", "blue", "red . blue", "dog", "the small thing on the left"])
IMAGES = st.sampled_from([None] * 6 + [1, 2])
ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.builds(Detect, phrase=PHRASES, image=IMAGES),
    st.builds(Look, target=TARGETS, image=IMAGES),
    st.builds(Segment, target=TARGETS, image=IMAGES),
    st.builds(Read, target=st.none() | TARGETS, image=IMAGES),
    st.builds(Depth, targets=st.lists(TARGETS, max_size=3).map(tuple), image=IMAGES),
    st.builds(Reencode, encoder=st.sampled_from(["clip", "detection", "seg"]), image=IMAGES),
)
ANSWERS = st.sampled_from(["2", "yes", "two red squares", '{"count": 2}', ""]).map(
    lambda text: Answer(text=text)
)
PIECES = st.sampled_from((*JUNK, *PERCEPTION_TOKENS, *IMAGE_TOKENS[:3])) | st.text(max_size=4)
EDITS: st.SearchStrategy[list[tuple[str, int, str]]] = st.just([]) | st.lists(
    st.tuples(
        st.sampled_from(["drop", "double", "swap", "replace", "insert", "cut"]),
        st.integers(0, 200),
        PIECES,
    ),
    max_size=4,
)


def _edited(pieces: list[str], edits: Sequence[tuple[str, int, str]]) -> str:
    for kind, number, piece in edits:
        at = number % len(pieces) if pieces else 0
        match kind:
            case "drop":
                del pieces[at : at + 1]
            case "double":
                pieces[at:at] = pieces[at : at + 1]
            case "swap":
                pieces[at : at + 2] = reversed(pieces[at : at + 2])
            case "replace":
                pieces[at : at + 1] = [piece]
            case "insert":
                pieces[at:at] = [piece]
            case _:
                del pieces[at:]
    return "".join(pieces)


def _spelled(actions: Sequence[Action], frame: Frame | None) -> list[str]:
    text = "".join(render(action, frame.spelled if frame else spell) for action in actions)
    return [piece for piece in _PIECES.split(text) if piece]


TURNS: st.SearchStrategy[str] = st.builds(
    lambda actions, frame, edits: _edited(_spelled(actions, frame), edits),
    st.one_of(*[st.lists(ACTIONS, min_size=1, max_size=3)] * 9, ANSWERS.map(lambda said: [said])),
    st.sampled_from([None, *FRAMES]),
    EDITS,
)
"""Turns as text."""

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(JUNK),
        st.sampled_from([10**400, [0, 0, 1000, 1000], "[1, 2, 3, 4]", "1", {"box": None}]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(JUNK), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "look",
        "detect",
        "segment",
        "depth",
        "read",
        "reencode",
        "answer",
        "Look",
        "fly",
        "",
        "\ud800",
    ]
)
FIELDS = st.sampled_from(
    ["box", "object", "boxes", "objects", "phrase", "encoder", "image", "more", ""]
)


def _arguments(action: Any, frame: Frame, changes: Sequence[tuple[str, Any, bool]]) -> Any:
    one = action if len(frame.each) > 1 else action.model_copy(update={"image": None})
    given: dict[str, Any] = arguments_of(one, frame)
    for field, value, gone in changes:
        if gone:
            given.pop(field, None)
        else:
            given[field] = value
    return given


@st.composite
def _call(draw: st.DrawFn) -> list[Any]:
    """A call whose arguments are an object, JSON, half of it, or anything."""
    action = draw(ACTIONS)
    name = draw(st.just(action.kind) | NAMES)
    changes = draw(st.lists(st.tuples(FIELDS, JSON, st.booleans()), max_size=2))
    given = _arguments(action, draw(st.sampled_from(FRAMES)), changes)
    form = draw(st.sampled_from(["object", "json", "half", "anything"]))
    if form == "anything":
        return [name, draw(JSON)]
    text = json.dumps(given)
    if form == "half":
        text = text[: draw(st.integers(0, len(text)))]
    return [name, given if form == "object" else text]


CALLS: st.SearchStrategy[list[Any]] = _call()
"""One tool call: its name and its arguments."""

OUTPUTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    TURNS.map(lambda text: {"text": text}),
    st.lists(CALLS, min_size=1, max_size=2).map(lambda calls: {"calls": calls}),
)
"""Whole turns, of either kind."""
