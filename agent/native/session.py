"""One conversation with a native model: one causal pass, its cache kept over all hops."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foveal.agent.actions import Action, Answer, PerceptionKind
from foveal.agent.grammar import parse
from foveal.agent.model import Sight, Usage
from foveal.agent.native.context import Again, Part, Seen
from foveal.agent.native.decoding import Decoded, decode, fill
from foveal.agent.native.engine import Steps
from foveal.agent.observations import Reencoded, View
from foveal.agent.transcript import (
    Acted,
    Asked,
    Injected,
    Noted,
    Observed,
    found_objects,
    opening_of,
)
from foveal.agent.vision import Encoded
from foveal.agent.wording import Reseen

if TYPE_CHECKING:
    from foveal.agent.native.model import NativeModel


class NativeSession:
    """One conversation; everything in it is rebuilt from the transcript when it is opened again."""

    def __init__(
        self, model: "NativeModel", transcript: list[Asked | Acted | Observed | Noted], sight: Sight
    ) -> None:
        """Computes nothing yet: `catch_up` does."""
        first = opening_of(transcript)
        self._model, self._sight, self._asked = model, sight, first
        self._context = model.context(first.image)
        self._emitted = 0
        self._items: list[Asked | Acted | Observed | Noted] = transcript
        self._controls = _Controls(model.controls)
        self._logits: Any = None
        self._first: Seen | None = None

    @property
    def usage(self) -> Usage:
        """Tokens computed, decoded and seen by this session."""
        context = self._context
        return Usage(context.prefilled - self._emitted, self._emitted, context.visual)

    @property
    def nbytes(self) -> int:
        """Bytes that its cache reserves."""
        return self._context.nbytes

    async def catch_up(self) -> None:
        """Compute the whole transcript in one pass."""
        await self._extend(await asyncio.to_thread(self._replayed))

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn under the grammar mask, together with the other sessions of the model.

        Raises ActionError when `max_new_tokens` cuts an action short; what was decoded stays in the context.
        """
        hear = self._streamer(on_text)
        steps = decode(
            self._context, self._logits, self._model.vocabulary, tools,
            found_objects(self._items), max_new_tokens, hear,
        )  # fmt: skip
        decoded = await self._decoded(steps, hear)
        return self._taken(decoded, parse(self._model.spoken(decoded.tokens)))

    async def fill(
        self,
        schema: Mapping[str, Any],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn as JSON that fits a schema, while there are tokens for it."""
        mask = await asyncio.to_thread(self._model.mask, schema)
        if mask is None:
            return await self.act((), max_new_tokens, on_text)
        hear, end = self._streamer(on_text), self._model.vocabulary.end
        steps = fill(self._context, self._logits, mask, end, max_new_tokens, hear)
        decoded = await self._decoded(steps, hear)
        return self._taken(decoded, (Answer(text=self._model.spoken(decoded.tokens)),))

    async def observe(self, items: Sequence[Injected]) -> None:
        """Append only what is new; everything before stays in the cache."""
        self._items += items
        await self._extend(await asyncio.to_thread(self._told, list(items)))

    def close(self) -> None:
        """Drop the cache."""
        del self._context, self._logits, self._first

    async def _extend(self, parts: Sequence[Part]) -> None:
        steps = self._context.extend(parts)
        self._logits = await asyncio.wrap_future(self._model.engine.submit(steps))

    def _streamer(self, on_text: Callable[[str], None] | None) -> "_Streamer | None":
        return _Streamer(self._model, on_text) if on_text else None

    async def _decoded(self, steps: Steps[Decoded], hear: "_Streamer | None") -> Decoded:
        """One turn, decoded together with the other sessions' and counted."""
        decoded = await asyncio.wrap_future(self._model.engine.submit(steps))
        if hear is not None:
            hear.finish(self._model.spoken(decoded.tokens))
        self._emitted += len(decoded.tokens)
        self._controls.turn(decoded.tokens)
        return decoded

    def _taken(self, decoded: Decoded, actions: Sequence[Action]) -> Acted:
        """The turn as the next item of the transcript, its answer as the user is to see it."""
        said = self._model.dialect.answered
        turn = Acted(
            text=self._model.spoken(decoded.tokens),
            tokens=decoded.tokens,
            actions=tuple(
                Answer(text=said(action.text)) if isinstance(action, Answer) else action
                for action in actions
            ),
            confidence=self._chance(decoded.confidence, actions),
        )
        self._items.append(turn)
        return turn

    def _chance(self, confidence: float, actions: Sequence[Action]) -> float:
        """Of an answer what its probability was found to be worth, of other turns the probability itself."""
        if not any(isinstance(action, Answer) for action in actions):
            return confidence
        first = None if self._first is None else self._first.values
        return self._model.trust.of(confidence, self._items, first)

    def _replayed(self) -> list[Part]:
        """The whole transcript as one stretch of context."""
        model = self._model
        before, after = model.dialect.opening(self._asked)
        self._first = model.first_look(self._asked.image, self._sight)
        parts: list[Part] = [
            [*model.ids(before), *model.ids("<|vision_start|>")],
            self._first,
            [*model.ids("<|vision_end|>"), *model.ids(after)],
        ]
        waiting: list[Injected] = []
        for item in self._items[1:]:
            if isinstance(item, Acted):
                parts += self._told(waiting)
                tokens = list(item.tokens) or model.ids(item.text)
                self._controls.turn(tokens)
                parts.append(tokens)
                waiting = []
            elif not isinstance(item, Asked):
                waiting.append(item)
        return [*parts, *self._told(waiting)]

    def _told(self, items: Sequence[Injected]) -> list[Part]:
        """What is injected after a turn, as parts; nothing for nothing."""
        if not items:
            return []
        states = iter(self._controls.of(items))
        parts: list[Part] = []
        for piece in self._model.dialect.reply(items, self._asked):
            if isinstance(piece, str):
                parts.append(self._model.ids(piece))
            elif isinstance(piece, Reseen):
                parts += self._framed(self._again(piece, next(states, None)))
            else:
                parts += self._framed(self._shown(piece))
        return parts

    def _framed(self, part: Part) -> list[Part]:
        ids = self._model.ids
        return [ids("<|vision_start|>"), part, ids("<|vision_end|>")]

    def _again(self, piece: Reseen, state: int | None) -> Part:
        """Through the model's projector when it has one for this encoder, else as any picture."""
        tokens = piece.view.tokens
        if piece.encoder not in self._model.projectors:
            return self._shown(piece.view)
        if tokens is None:
            return Again(piece.encoder, self._own(piece.view).values, state)
        return Again(piece.encoder, self._sight.array(tokens.key), state)

    def _shown(self, view: View) -> Part:
        if view.tokens is not None:
            return Seen(self._sight.array(view.tokens.key), view.tokens.grid)
        encoded = self._own(view)
        return Seen(encoded.values, encoded.grid)

    def _own(self, view: View) -> Encoded:
        """Through the model's own tower, when no worker has encoded it."""
        x0, y0, x1, y1 = (int(v) for v in view.pixels.xyxy)
        return self._model.vision.encode(self._sight.pixels(view.pixels.image)[y0:y1, x0:x1])


class _Controls:
    """Which control state belongs to which re-encoding: the nth of a turn to the nth that the turn asked for."""

    def __init__(self, ids: frozenset[int]) -> None:
        self._ids = ids
        self._fed = 0
        self._open: list[int] = []

    def turn(self, tokens: Sequence[int]) -> None:
        """The model has taken this turn."""
        count = sum(token in self._ids for token in tokens)
        self._open = list(range(self._fed, self._fed + count))
        self._fed += count

    def of(self, items: Sequence[Injected]) -> list[int | None]:
        """One per view of a re-encoding that came back; one that failed has used up its state."""
        asked = [
            item for item in items if isinstance(item, Observed) and item.action.kind == "reencode"
        ]
        states = [*self._open, *[None] * len(asked)]
        return [
            state
            for item, state in zip(asked, states, strict=False)
            if isinstance(item.observation, Reencoded)
            for _ in item.observation.views
        ]


class _Streamer:
    """Passes on decoded text as soon as its bytes are complete, as the user is to see it."""

    def __init__(self, model: "NativeModel", on_text: Callable[[str], None]) -> None:
        self._model, self._on_text, self._said = model, on_text, ""

    def __call__(self, tokens: Sequence[int]) -> None:
        text = self._model.spoken(tokens)
        # Half a character, or the beginning of what may be no part of the answer: wait for the rest.
        if not (text.endswith("\ufffd") or self._model.dialect.may_drop(text)):
            self._pass_on(text)

    def finish(self, text: str) -> None:
        """The turn has ended: nothing more can change what was held back."""
        self._pass_on(text)

    def _pass_on(self, text: str) -> None:
        said = self._model.dialect.answered(text)
        if len(said) > len(self._said):
            self._on_text(said[len(self._said) :])
            self._said = said
