"""One conversation with a model behind a server: a transcript, sent whole each turn, growing at its end only."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openai import APIStatusError

from foveal.agent.actions import Action, Answer, PerceptionKind, Target
from foveal.agent.calls import action_of
from foveal.agent.coordinates import Frame, framed
from foveal.agent.errors import ActionError
from foveal.agent.grammar import parse, render
from foveal.agent.model import Sight, Usage
from foveal.agent.observations import View
from foveal.agent.openai.exchange import Once
from foveal.agent.openai.history import Message, Style, call_id, conversation, urged
from foveal.agent.openai.pictures import PATCH, Shown, shown, shown_size
from foveal.agent.openai.reply import Reply, with_inline_calls
from foveal.agent.openai.request import Want
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
    from foveal.agent.openai.model import OpenAIModel

LONGEST = 500
"""Characters of a call that cannot be read which are kept."""


class OpenAISession:
    """Beside the transcript it holds pictures ready to be sent, and turns as they came."""

    def __init__(
        self,
        model: "OpenAIModel",
        transcript: Sequence[Asked | Acted | Observed | Noted],
        sight: Sight,
    ) -> None:
        """Sends nothing yet: `act` does."""
        first = opening_of(transcript)
        self._model, self._sight, self._asked = model, sight, first
        self._items = list(transcript)
        self._pictures: dict[View | int, Shown] = {}
        self._replies: dict[int, Reply] = {}
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """As the server counts: context computed is what was sent less what it had kept."""
        return self._usage

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """One turn. Without `tools`, text only.

        Raises ActionError for a call that cannot be carried out, SetupError when the server is of no use, and
        InputError when it answers others and not this question.
        """
        hear = Once(on_text)
        reply = await self._asked_for(Want(bool(tools), max_new_tokens), hear)
        try:
            actions = self._actions(reply, tools)
        except ActionError:
            calls = () if reply.inline else reply.calls
            unread = "".join(f"{call.name}({call.arguments})"[:LONGEST] for call in calls)
            hear(unread)
            self._items.append(Acted(text=reply.text + unread))
            raise
        spelled = self._spelled(actions) if reply.calls and not reply.inline else ""
        hear(spelled)
        turn = Acted(text=reply.text + spelled, actions=actions, confidence=reply.confidence)
        self._items.append(turn)
        self._keep(reply)
        return turn

    async def fill(
        self,
        schema: Mapping[str, Any],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """One turn as JSON that fits the schema, as far as the server holds the model to it."""
        reply = await self._asked_for(Want(False, max_new_tokens, schema), Once(on_text))
        answer = Answer(text=reply.spoken)
        turn = Acted(text=reply.text, actions=(answer,), confidence=reply.confidence)
        self._items.append(turn)
        return turn

    async def observe(self, items: Sequence[Injected]) -> None:
        """Note what came back; it is sent with the next turn."""
        self._items += items

    def close(self) -> None:
        """Drop what is ready to be sent."""
        self._pictures.clear()
        self._replies.clear()

    async def _asked_for(self, want: Want, hear: Once) -> Reply:
        """A turn that heeds whether the model is free to look again, and has more than thoughts in it, if need be
        after asking again."""
        reply = await self._reply(want, hear)
        if reply.calls and not want.free and self._model.manners.disobeyed():
            hear.again()
            reply = await self._reply(want, hear)
        cut = reply.empty and reply.thought and reply.finish == "length"
        if cut and self._model.manners.thought():
            hear.again()
            reply = await self._reply(want, hear)
        if not want.free and self._looks(with_inline_calls(reply)):
            hear.again()
            reply = await self._reply(want, hear, urge=True)
        return with_inline_calls(reply)

    def _looks(self, reply: Reply) -> bool:
        """Whether the model asks to look again, however badly."""
        try:
            return bool(reply.calls) or self._parsed(reply)[0].kind != "answer"
        except ActionError:
            return True

    async def _reply(self, want: Want, hear: Once, urge: bool = False) -> Reply:
        model = self._model
        while True:
            messages = await asyncio.to_thread(self._messages)
            sent = urged(messages) if urge else messages
            body = model.request(sent, self._asked.tools, want, len(self._asked.images))
            try:
                reply = await model.exchange.turn(body, hear)
            except APIStatusError as error:
                if not model.manners.learn(model.server.words(error), body):
                    raise model.exchange.failed(error) from None
                continue
            self._charge(reply)
            return reply

    def _messages(self) -> list[Message]:
        return conversation(self._items, self._style)

    @property
    def _style(self) -> Style:
        model = self._model
        return Style(
            self._frame,
            lambda view: self._picture(1 if view is None else view),
            model.manners.tools,
            model.preface,
            self._replies,
            [self._picture(number) for number in range(2, len(self._asked.images) + 1)],
        )

    @cached_property
    def _frame(self) -> Frame:
        convention = self._model.convention
        multiple = PATCH if convention == "pixels" else 1
        sizes = [one.size for one in self._asked.images]
        return framed(convention, [(size, shown_size(size, multiple)) for size in sizes])

    def _picture(self, view: View | int) -> Shown:
        """A view, or one of the images by its number, as it is sent; encoded once."""
        if view not in self._pictures:
            self._pictures[view] = self._encoded(view)
        return self._pictures[view]

    def _encoded(self, view: View | int) -> Shown:
        if isinstance(view, int):
            name = self._asked.picked(view).image
            return shown(self._sight.pixels(name), name, self._frame.of(view).shown)
        x0, y0, x1, y1 = (int(value) for value in view.pixels.xyxy)
        name = f"{view.pixels.image}-{x0}-{y0}-{x1}-{y1}"
        return shown(self._sight.pixels(view.pixels.image)[y0:y1, x0:x1], name)

    def _actions(self, reply: Reply, tools: Sequence[PerceptionKind]) -> tuple[Action, ...]:
        found = found_objects(self._items)
        first, *more = (frame.shown for frame in self._frame.each)
        called: tuple[Action, ...] = tuple(
            action_of(call.name, call.arguments, self._frame.convention, first, found, more)
            for call in reply.calls
        )
        actions = called or self._parsed(reply)
        for action in actions:
            if action.kind != "answer" and action.kind not in tools:
                allowed = ", ".join(tools) or "none, answer now"
                raise ActionError(f"{action.kind} is not allowed here; allowed: {allowed}")
        return actions

    def _parsed(self, reply: Reply) -> tuple[Action, ...]:
        return parse(reply.spoken, *(frame.target for frame in self._frame.each))

    def _spelled(self, actions: Sequence[Action]) -> str:
        return "".join(render(action, self._spelling(action)) for action in actions)

    def _spelling(self, action: Action) -> Callable[[Target], str]:
        return self._frame.of(None if action.kind == "answer" else action.image).spelled

    def _keep(self, reply: Reply) -> None:
        """A turn with calls goes back as it came; where its calls have no names of their own, they get some."""
        turn = sum(isinstance(item, Acted) for item in self._items)
        taken = {call.id for kept in self._replies.values() for call in kept.calls}
        for number, call in enumerate(reply.calls):
            call.id = call.id if call.id and call.id not in taken else call_id(turn, number)
            call.arguments = call.arguments.strip() or "{}"
            taken.add(call.id)
        if reply.calls:
            self._replies[turn] = reply

    def _charge(self, reply: Reply) -> None:
        spent, before = reply.spent, self._usage
        self._usage = Usage(
            prefilled=before.prefilled + max(0, spent.prompt - spent.cached),
            emitted=before.emitted + spent.written,
            visual=spent.pictures or before.visual,
            cached=before.cached + spent.cached,
        )
