"""A Qwen2-VL model with perception tokens as a session: one causal pass, its KV cache kept over all hops."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import shorten
from typing import Any

from foveal.agent.actions import PerceptionKind
from foveal.agent.context import Context, Part
from foveal.agent.decoding import decode
from foveal.agent.dialogue import END, Piece, opening, plain, reply
from foveal.agent.errors import SetupError
from foveal.agent.grammar import parse
from foveal.agent.mask import Vocabulary
from foveal.agent.model import Sight, Usage
from foveal.agent.observations import View
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed, found_objects
from foveal.agent.vision import Encoded, VisionEncoder, processor_of
from foveal.agent.weights import load_config, load_into

REMEMBERED = 16
"""Images whose first look is kept, so that a second question costs only the decoder."""

DEFAULT_SYSTEM = "You are a helpful assistant."


class NativeModel:
    """Any `Qwen2VLForConditionalGeneration` whose tokenizer holds perception tokens."""

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        vision: VisionEncoder,
        system: str = DEFAULT_SYSTEM,
        name: str = "native",
    ) -> None:
        """`system` may name `{tools}`; `tokenizer` is a transformers fast tokenizer."""
        self.name = name
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.vision = vision
        self.system = system
        ids = tokenizer.get_vocab()
        # Not all_special_ids: a tokenizer read from one file lists no special tokens there.
        added = tokenizer.added_tokens_decoder.items()
        silent = [
            *(number for number, token in added if token.special),
            *range(len(tokenizer), network.config.text_config.vocab_size),
        ]
        self.vocabulary = Vocabulary(ids, network.config.text_config.vocab_size, silent, ids[END])
        self._seen: dict[str, Encoded] = {}

    @classmethod
    def from_folder(
        cls, folder: Path, system: str = DEFAULT_SYSTEM, device: str = "cpu", name: str = "native"
    ) -> "NativeModel":
        """Load config.json, model.safetensors and tokenizer.json. Raises SetupError when they are not intact."""
        from transformers import (
            PreTrainedTokenizerFast,
            Qwen2VLConfig,
            Qwen2VLForConditionalGeneration,
        )

        config = Qwen2VLConfig(**load_config(folder / "config.json"))
        network: Any = Qwen2VLForConditionalGeneration(config)
        load_into(network, folder / "model.safetensors")
        load_config(folder / "tokenizer.json")  # a file cut short is found here
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        _move(network, device)
        vision = VisionEncoder(network.model.visual, processor_of(folder), device)
        return cls(network, tokenizer, vision, system, name)

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> "NativeSession":
        """A session whose cache holds the whole transcript, computed in one pass."""
        return await asyncio.to_thread(NativeSession, self, list(transcript), sight)

    def first_look(self, image: str, sight: Sight) -> Part:
        """Visual tokens of a whole image, remembered by its content hash."""
        if image not in self._seen:
            while len(self._seen) >= REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
            self._seen[image] = self.vision.encode(sight.pixels(image))
        seen = self._seen[image]
        return seen.values, seen.grid

    def ids(self, text: str) -> list[int]:
        """Token ids of text, special tokens included."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def spoken(self, tokens: Sequence[int]) -> str:
        """Token ids as text. Words that only look like a special token are spelled so that they are none."""
        parts = []
        for name, run in groupby(tokens, self.vocabulary.spelling):
            ids = list(run)
            words = plain(self.tokenizer.decode(ids, skip_special_tokens=True))
            parts.append(words if name is None else name * len(ids))
        return "".join(parts)


class NativeSession:
    """One conversation; everything in it is rebuilt from the transcript when it is opened again."""

    def __init__(
        self, model: NativeModel, transcript: list[Asked | Acted | Observed | Noted], sight: Sight
    ) -> None:
        first = transcript[0]
        if not isinstance(first, Asked):
            raise ValueError(f"a transcript starts with what was asked, not with {first.kind!r}")
        self._model, self._sight, self._asked = model, sight, first
        self._context = Context(model.network)
        self._emitted = 0
        self._items: list[Asked | Acted | Observed | Noted] = transcript
        self._logits = self._context.extend(self._replayed())

    @property
    def usage(self) -> Usage:
        """Tokens computed, decoded and seen by this session."""
        context = self._context
        return Usage(context.prefilled - self._emitted, self._emitted, context.visual)

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn under the grammar mask.

        Raises ActionError when `max_new_tokens` cuts an action short; what was decoded stays in the context.
        """
        return await asyncio.to_thread(self._act, tools, max_new_tokens, on_text)

    async def observe(self, items: Sequence[Injected]) -> None:
        """Append only what is new; everything before stays in the cache."""
        self._items += items
        await asyncio.to_thread(self._append, items)

    def close(self) -> None:
        """Drop the cache."""
        del self._context, self._logits

    def _act(
        self, tools: Sequence[PerceptionKind], limit: int, on_text: Callable[[str], None] | None
    ) -> Acted:
        decoded = decode(
            self._context, self._logits, self._model.vocabulary, tools,
            found_objects(self._items), limit, _Streamer(self._model, on_text) if on_text else None,
        )  # fmt: skip
        self._emitted += len(decoded.tokens)
        text = self._model.spoken(decoded.tokens)
        turn = Acted(
            text=text,
            tokens=decoded.tokens,
            actions=parse(text),
            confidence=decoded.confidence,
        )
        self._items.append(turn)
        return turn

    def _append(self, items: Sequence[Injected]) -> None:
        self._logits = self._context.extend(self._parts(reply(items, self._asked.size)))

    def _replayed(self) -> list[Part]:
        """The whole transcript as one stretch of context."""
        model = self._model
        before, after = opening(self._asked, model.system)
        parts: list[Part] = [
            [*model.ids(before), *model.ids("<|vision_start|>")],
            model.first_look(self._asked.image, self._sight),
            [*model.ids("<|vision_end|>"), *model.ids(after)],
        ]
        waiting: list[Injected] = []
        for item in self._items[1:]:
            if isinstance(item, Acted):
                parts += self._told(waiting)
                parts.append(list(item.tokens) or model.ids(item.text))
            elif not isinstance(item, Asked):
                waiting.append(item)
        return [*parts, *self._told(waiting)]

    def _told(self, waiting: list[Injected]) -> list[Part]:
        """What was injected since the last turn; empties the list."""
        items = waiting.copy()
        waiting.clear()
        return self._parts(reply(items, self._asked.size)) if items else []

    def _parts(self, pieces: Sequence[Piece]) -> list[Part]:
        parts: list[Part] = []
        for piece in pieces:
            parts += [self._model.ids(piece)] if isinstance(piece, str) else self._shown(piece)
        return parts

    def _shown(self, view: View) -> list[Part]:
        ids = self._model.ids
        if view.tokens is not None:
            seen: Part = (self._sight.array(view.tokens.key), view.tokens.grid)
        else:
            x0, y0, x1, y1 = (int(v) for v in view.pixels.xyxy)
            encoded = self._model.vision.encode(self._sight.pixels(view.pixels.image)[y0:y1, x0:x1])
            seen = (encoded.values, encoded.grid)
        return [ids("<|vision_start|>"), seen, ids("<|vision_end|>")]


def _move(network: Any, device: str) -> None:
    try:
        network.to(device)
    except (RuntimeError, AssertionError) as error:  # no such device, or torch built without it
        reason = shorten(str(error).partition(". ")[0], 100)
        problem = f"device {device!r} cannot be used ({reason})"
        raise SetupError(
            problem, "set FOVEAL_DEVICE=cpu or correct the profile's device"
        ) from error


class _Streamer:
    """Passes on decoded text as soon as its bytes are complete."""

    def __init__(self, model: NativeModel, on_text: Callable[[str], None]) -> None:
        self._model, self._on_text, self._said = model, on_text, ""

    def __call__(self, tokens: Sequence[int]) -> None:
        text = self._model.spoken(tokens)
        if text.endswith("\ufffd"):  # half a character: wait for the rest
            return
        self._on_text(text[len(self._said) :])
        self._said = text
