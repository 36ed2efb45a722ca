"""A Qwen2-VL model with perception tokens: its network, its words and its eyes, shared by all its sessions."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from foveal.agent.actions import Encoder
from foveal.agent.checkpoint.building import build
from foveal.agent.dialect import Dialect
from foveal.agent.dialogue import END, Foveal
from foveal.agent.errors import InputError
from foveal.agent.grammar import CONTROL_TOKENS
from foveal.agent.mask import Vocabulary
from foveal.agent.model import Sight
from foveal.agent.native.context import Context, Projector, Seen
from foveal.agent.native.control import Control
from foveal.agent.native.engine import Engine
from foveal.agent.native.session import NativeSession
from foveal.agent.native.trust import Trust
from foveal.agent.schema_mask import SchemaMask, SchemaMasks
from foveal.agent.transcript import Acted, Asked, Noted, Observed, opening_of
from foveal.agent.vision import VisionEncoder
from foveal.agent.wording import plain

REMEMBERED = 16
"""Images whose first look is kept, so that a second question costs only the decoder; those used last stay."""

DEFAULT_SYSTEM = "You are a helpful assistant."


class NativeModel:
    """Any `Qwen2VLForConditionalGeneration` whose tokenizer holds perception tokens.

    All sessions that are open at the same time are decoded together (`agent/native/engine.py`).
    """

    converses = False
    """It was trained on one question at a time."""

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        vision: VisionEncoder,
        dialect: Dialect | None = None,
        name: str = "native",
        projectors: Mapping[Encoder, Projector] | None = None,
        control: Control | None = None,
        trust: Trust | None = None,
    ) -> None:
        """`tokenizer` is a transformers fast tokenizer; `control` may replace the control state.

        `trust` says what the probability of an answer is worth as its confidence.
        """
        self.name = name
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.vision = vision
        self.dialect = dialect or Foveal(DEFAULT_SYSTEM)
        self.instructed = self.dialect.instructed
        self.images = self.dialect.images
        self.projectors = dict(projectors or {})
        self.control = control or Control()
        self.trust = trust or Trust()
        self.engine = Engine(network)
        self.vocabulary = _vocabulary(tokenizer, network.config.text_config.vocab_size)
        known = self.vocabulary.ids
        self.controls = frozenset(known[token] for token in CONTROL_TOKENS if token in known)
        self._masks: SchemaMasks | None = None
        self._seen: dict[str, Seen] = {}
        self._shown: WeakValueDictionary[str, Seen] = WeakValueDictionary()
        self._looking = Lock()

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        dialect: Dialect | None = None,
        device: str = "cpu",
        name: str = "native",
        control: Control | None = None,
    ) -> "NativeModel":
        """Load a model folder in Hugging Face layout. Raises SetupError when it is not intact."""
        built = build(folder, device)
        vision = VisionEncoder.of(built.network.model.visual, built.layout, device)
        return cls(
            built.network, built.tokenizer, vision, dialect, name, built.projectors, control,
            Trust.beside(folder),
        )  # fmt: skip

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> "NativeSession":
        """A session whose cache holds the whole transcript, computed in one pass.

        Raises InputError for a question with more images than the dialect has words for.
        """
        if len(opening_of(transcript).images) > self.images:
            raise InputError(f"{self.name} takes at most {self.images} image a question")
        session = NativeSession(self, list(transcript), sight)
        await session.catch_up()
        return session

    def first_look(self, image: str, sight: Sight) -> Seen:
        """Visual tokens of a whole image, remembered by its content hash, and while an open session has them."""
        with self._looking:  # questions about one image wait for its first encoding
            seen = self._shown.get(image)
            if seen is None:
                encoded = self.vision.encode(sight.pixels(image))
                seen = self._shown[image] = Seen(encoded.values, encoded.grid)
            self._seen.pop(image, None)
            self._seen[image] = seen
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
        return seen

    async def aclose(self) -> None:
        """End its thread; its sessions cannot go on."""
        await asyncio.to_thread(self.engine.close)

    def mask(self, schema: Mapping[str, Any]) -> SchemaMask | None:
        """What holds one answer to a JSON schema; None where nothing can."""
        with self._looking:
            if self._masks is None:
                known = self.vocabulary
                self._masks = SchemaMasks(self.tokenizer, known.size, known.text, known.end)
        return self._masks.of(schema)

    def context(self, image: str) -> Context:
        """An empty context for a conversation about the image with this content hash."""
        return Context(
            self.engine,
            self.network.get_input_embeddings(),
            self.projectors,
            self.controls,
            self.control.of(image),
            self.control.conditioned,
        )

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


def _vocabulary(tokenizer: Any, size: int) -> Vocabulary:
    ids = tokenizer.get_vocab()
    # Not all_special_ids: a tokenizer read from one file lists no special tokens there.
    added = tokenizer.added_tokens_decoder.items()
    silent = [
        *(number for number, token in added if token.special),
        *range(len(tokenizer), size),
    ]
    return Vocabulary(ids, size, silent, ids[END])
