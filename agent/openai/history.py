"""A transcript as a conversation with a server: a pure function, so that it only ever grows at its end.

What was sent once is sent again to the character, which is what a server's prefix cache needs. Results of calls
are text; the pictures that came with them follow in a message of the user, because no server takes them elsewhere.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foveal.agent.calls import arguments_of
from foveal.agent.capabilities import manual
from foveal.agent.coordinates import Frame
from foveal.agent.grammar import render
from foveal.agent.observations import View
from foveal.agent.openai.pictures import Shown
from foveal.agent.openai.reply import Call, Reply, without_inline_calls
from foveal.agent.structured import told as told_schema
from foveal.agent.telling import Told, observed, told
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed

BELOW = "see the picture below"
"""Said in a result whose picture follows."""
URGE = "Answer in words now, from what you have seen: looking again is over."
"""Said to a model that asks to look when it cannot any more."""
WITHHELD = "There is no result."
"""Said for a call whose result the transcript does not hold: servers want one for each."""

Part = str | Shown


@dataclass(frozen=True)
class System:
    """What the model is to do, and how."""

    text: str


@dataclass(frozen=True)
class User:
    """Words and pictures for the model."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Said:
    """A turn of the model."""

    text: str
    calls: tuple[Call, ...] = ()
    thoughts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Result:
    """What came back for one call."""

    call: str
    text: str


Message = System | User | Said | Result


@dataclass(frozen=True)
class Style:
    """How a session is written for its server."""

    frame: Frame
    """Of the first image, with those of the others."""
    picture: Callable[[View | None], Shown]
    """A view as it is sent; None stands for the whole image, the first of several."""
    tools: bool
    """Whether actions are tool calls; else they are spelled in the text."""
    preface: str = ""
    """Said before the manual of the actions."""
    replies: Mapping[int, Reply] = field(default_factory=dict)
    """Turns as they came from the server, by their number from 1; others are written anew."""
    others: Sequence[Shown] = ()
    """The whole images after the first, as they are sent."""


def conversation(items: Sequence[Asked | Acted | Injected], style: Style) -> list[Message]:
    """Every message, oldest first. A longer transcript gives the same messages and more."""
    messages: list[Message] = []
    waiting: list[Injected] = []
    open_calls: tuple[Call, ...] = ()
    turn = 0
    for item in items:
        if isinstance(item, Asked):
            messages += _opening(item, style)
        elif isinstance(item, Acted):
            messages += _reply(waiting, open_calls, style)
            turn += 1
            said = _said(item, turn, style)
            messages.append(said)
            waiting, open_calls = [], said.calls
        else:
            waiting.append(item)
    return [*messages, *_reply(waiting, open_calls, style)]


def _opening(asked: Asked, style: Style) -> Iterator[Message]:
    rules = manual(asked.tools, style.frame, spelled=not style.tools)
    yield System("\n\n".join(text for text in (style.preface, rules) if text))
    schema = f"\n\n{told_schema(asked.answer_schema)}" if asked.answer_schema else ""
    yield User((*_wholes(style), asked.question + schema))


def _wholes(style: Style) -> Iterator[Part]:
    """The images of the question, with their numbers where there are several."""
    wholes = (style.picture(None), *style.others)
    for number, whole in enumerate(wholes, start=1):
        yield from ((f"image {number}:", whole) if style.others else (whole,))


def _said(acted: Acted, turn: int, style: Style) -> Said:
    actions = [action for action in acted.actions if action.kind != "answer"]
    if not actions or not style.tools:
        return Said(acted.text)
    spelled = "".join(render(action, style.frame.of(action.image).spelled) for action in actions)
    text = without_inline_calls(acted.text.removesuffix(spelled))
    reply = style.replies.get(turn)
    if reply is not None:
        return Said(text, tuple(reply.calls), tuple(reply.thoughts))
    calls = [
        Call(action.kind, json.dumps(arguments_of(action, style.frame)), call_id(turn, number))
        for number, action in enumerate(actions)
    ]
    return Said(text, tuple(calls))


def urged(messages: Sequence[Message]) -> list[Message]:
    """The conversation with one sentence more at its end, for a model that goes on looking when it must answer."""
    *before, last = messages
    parts = last.parts if isinstance(last, User) else ()
    return [*(before if parts else messages), User((*parts, URGE))]


def call_id(turn: int, number: int) -> str:
    """A call's name in the conversation: nine letters and digits, which the strictest of servers wants."""
    return f"call{turn % 1000:03d}{number % 100:02d}"


def _reply(items: Sequence[Injected], calls: Sequence[Call], style: Style) -> Iterator[Message]:
    """What came back for a turn, and what else the model is told then."""
    if calls:
        yield from _results(items, calls, style)
    elif items:
        yield User(tuple(_part(piece, style) for piece in told(items, style.frame)))


def _results(items: Sequence[Injected], calls: Sequence[Call], style: Style) -> Iterator[Message]:
    seen = [
        observed(one.observation, style.frame.of(one.image))
        for one in items
        if isinstance(one, Observed)
    ]
    for number, call in enumerate(calls):
        words, *views = seen[number] if number < len(seen) else [WITHHELD]
        yield Result(call.id, f"{words} {BELOW}" if views else str(words))
    parts: list[Part] = []
    for words, *views in seen:
        announced = [str(words).splitlines()[-1]] if views else []
        parts += [*announced, *(_part(view, style) for view in views)]
    notes = [item for item in items if isinstance(item, Noted)]
    parts += [_part(piece, style) for piece in told(notes, style.frame)]
    if parts:
        yield User(tuple(parts))


def _part(piece: Told, style: Style) -> Part:
    return piece if isinstance(piece, str) else style.picture(piece)
