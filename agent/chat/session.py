"""One conversation with a chat model: its template, its cache, and what it writes, held to the grammar."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foveal.agent.actions import Answer, PerceptionKind
from foveal.agent.capabilities import manual
from foveal.agent.chat.mask import Boxes, Mask
from foveal.agent.chat.prompt import Conversation, Part, Pixels
from foveal.agent.chat.turn import Turn
from foveal.agent.coordinates import framed
from foveal.agent.grammar import parse
from foveal.agent.model import Sight, Usage
from foveal.agent.observations import View
from foveal.agent.structured import told as told_schema
from foveal.agent.telling import told
from foveal.agent.transcript import (
    Acted,
    Asked,
    Injected,
    Noted,
    Observed,
    found_objects,
    opening_of,
)

if TYPE_CHECKING:
    from foveal.agent.chat.model import ChatModel

THOUGHT = "</think>"
"""What reasoning models write between their thoughts and their answer."""


class ChatSession:
    """One conversation; everything in it is rebuilt from the transcript when it is opened again."""

    def __init__(
        self, model: "ChatModel", transcript: list[Asked | Acted | Observed | Noted], sight: Sight
    ) -> None:
        """Computes nothing yet: `catch_up` does."""
        first = opening_of(transcript)
        self._model, self._sight, self._asked = model, sight, first
        self._items: list[Asked | Acted | Observed | Noted] = transcript
        self._conversation = Conversation(model.render, model.plain)
        self._writer = model.writer()
        self._frame = framed(model.convention, [(one.size, one.size) for one in first.images])
        self._said = ""

    @property
    def usage(self) -> Usage:
        """Tokens computed, decoded and seen by this session."""
        return self._writer.usage

    async def catch_up(self) -> None:
        """Compute the whole transcript."""
        await self._model.run(self._replay)

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn under the grammar's mask.

        Raises ActionError when `max_new_tokens` cuts an action short; what was decoded stays in the context.
        """
        frames = self._frame.each
        largest = max(max(frame.limits) for frame in frames)
        found, *others = self._found()
        mask = self._model.masks.turn(tools, found, largest, others)
        turn = await self._written(mask, max_new_tokens, on_text)
        actions = tuple(
            action.model_copy(update={"text": _answer(action.text)})
            if isinstance(action, Answer)
            else action
            for action in parse(turn.text, *(frame.target for frame in frames))
        )
        return self._kept(turn, actions)

    def _found(self) -> list[list[int]]:
        """The numbers of the objects found in each image."""
        found, asked = found_objects(self._items), self._asked
        if not asked.more:
            return [list(found)]
        homes = {index: asked.number_of(one.box.image) for index, one in found.items()}
        return [
            [index for index, home in homes.items() if home == number]
            for number, _ in enumerate(asked.images, start=1)
        ]

    async def fill(
        self,
        schema: Mapping[str, Any],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn as JSON that fits the schema; for a schema that has no mask, an ordinary turn."""
        mask = self._model.masks.json(schema)
        if mask is None:
            return await self.act((), max_new_tokens, on_text)
        turn = await self._written(mask, max_new_tokens, on_text)
        return self._kept(turn, (Answer(text=turn.text.strip()),))

    async def observe(self, items: Sequence[Injected]) -> None:
        """Append what came back; where the template allows it, only that is computed."""
        self._items += items
        if items:
            await self._model.run(self._hear, items)

    def close(self) -> None:
        """Drop the cache."""
        del self._writer, self._conversation

    async def _written(self, mask: Mask, limit: int, on_text: Callable[[str], None] | None) -> Turn:
        turn = Turn(self._model.masks, mask, Boxes(self._frame), limit, on_text)
        try:
            await self._model.run(self._writer.write, turn)
        except asyncio.CancelledError:
            turn.stopped.set()  # the thread is for the others now
            raise
        self._said += turn.text
        return turn

    def _kept(self, turn: Turn, actions: tuple[Any, ...]) -> Acted:
        acted = Acted(
            text=turn.text,
            tokens=tuple(turn.tokens),
            actions=actions,
            confidence=turn.confidence,
        )
        self._items.append(acted)
        return acted

    def _replay(self) -> None:
        """The whole transcript, in the model's thread."""
        asked, model = self._asked, self._model
        wholes = [self._sight.pixels(one.image) for one in asked.images]
        shown = [model.shown(whole) for whole in wholes]
        sizes = [one.size for one in asked.images]
        self._frame = framed(model.convention, [*zip(sizes, shown, strict=True)])
        rules = "\n\n".join(filter(None, (model.system, manual(asked.tools, self._frame))))
        opening = self._conversation.open(rules, [*_numbered(wholes), _question(asked)])
        self._writer.add(opening, self._conversation.whole)
        waiting: list[Injected] = []
        for item in self._items[1:]:
            if isinstance(item, Acted):
                self._hear(waiting)
                waiting = []
                self._writer.recall(item.tokens or model.ids(item.text))
                self._said += item.text
            elif not isinstance(item, Asked):
                waiting.append(item)
        self._hear(waiting)

    def _hear(self, items: Sequence[Injected]) -> None:
        if not items:
            return
        addition = self._conversation.reply(self._said, self._parts(items))
        self._said = ""
        self._writer.add(addition, self._conversation.whole)

    def _parts(self, items: Sequence[Injected]) -> list[Part]:
        """What is told, with the pictures, which are numbered: some templates put them before all words."""
        parts: list[Part] = []
        number = len(self._conversation.whole.pictures)
        for piece in told(items, self._frame):
            if isinstance(piece, str):
                parts.append(piece)
                continue
            number += 1
            parts += [f" picture {number}\n", self._cut(piece)]
        return parts

    def _cut(self, view: View) -> Any:
        x0, y0, x1, y1 = (int(side) for side in view.pixels.xyxy)
        return self._sight.pixels(view.pixels.image)[y0:y1, x0:x1]


def _numbered(wholes: Sequence[Pixels]) -> list[Part]:
    """The images of the question, with their numbers where there are several."""
    if len(wholes) == 1:
        return [*wholes]
    return [
        part
        for number, whole in enumerate(wholes, start=1)
        for part in (f"image {number}:\n", whole)
    ]


def _question(asked: Asked) -> str:
    if not asked.answer_schema:
        return asked.question
    return f"{asked.question}\n\n{told_schema(asked.answer_schema)}"


def _answer(text: str) -> str:
    """What a reasoning model says when it has thought."""
    return text.rpartition(THOUGHT)[2].strip()
