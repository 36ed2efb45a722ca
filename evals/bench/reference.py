"""The paper's procedure as its code runs it, written from the published facts, to measure the cached pass against.

Every step runs the language model twice (arXiv 2502.17425): once to find the control state, once with it. Both
runs work on a deep copy of the cache, and the second round of a dialogue is prefilled from its beginning.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from foveal.agent.native.context import Part, Projector, Seen
from foveal.agent.native.positions import Positions, text_positions, visual_positions


class TwoPasses:
    """One dialogue of one network; nothing is kept between rounds."""

    def __init__(
        self, network: Any, projector: Projector, controls: Iterable[int], words: Any
    ) -> None:
        """`controls` are the ids of `<|X_action|>`; `words` the ids (n,) that may be decoded."""
        self._network, self._projector = network, projector
        self._controls, self._words = frozenset(controls), words
        self._cache: Any = None
        self._next = 0
        self._logits: Any = None
        self.prefilled = 0
        """Tokens that the last prefill computed, in both runs."""
        self.peak = 0
        """The most bytes of keys and values that were alive at once since the last prefill ended."""

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values between steps."""
        return _nbytes(self._cache)

    def prefill(self, parts: Sequence[Part]) -> None:
        """A whole prompt; each picture that was encoded again belongs to a control token, in order."""
        import torch

        from transformers import DynamicCache  # isort: skip

        self._cache, self._next = DynamicCache(config=self._network.config.text_config), 0
        ids = _ids(parts)
        places = [n for n, token in enumerate(ids) if token in self._controls]
        positions = self._positions(parts)
        with torch.inference_mode():
            first = self._step(self._embeds(parts, []), positions)
            states = [first[n - 1] for n in places]
            embeds = self._embeds(parts, states)
            for place, state in zip(places, states, strict=True):
                embeds[place] = state
            self._finish(self._step(embeds, positions))
        self.prefilled, self.peak = 2 * len(ids), self.nbytes

    def decode(self, count: int) -> list[int]:
        """The likeliest words, one after the other."""
        import torch

        told: list[int] = []
        with torch.inference_mode():
            for _ in range(count):
                told.append(int(self._words[int(self._logits[self._words].argmax())]))
                part = [told[-1:]]
                positions = self._positions(part)
                for _ in range(2):  # nothing to condition is left, and it runs twice all the same
                    hidden = self._step(self._embeds(part, []), positions)
                self._finish(hidden)
        return told

    def _step(self, embeds: Any, positions: Any) -> Any:
        """Final-norm states (tokens, hidden) of one run on a copy of the cache."""
        self._grown = copy.deepcopy(self._cache)
        out = self._network.model.language_model(
            inputs_embeds=embeds[None],
            position_ids=positions,
            past_key_values=self._grown,
            use_cache=True,
        )
        self.peak = max(self.peak, self.nbytes + _nbytes(self._grown))
        return out.last_hidden_state[0]

    def _finish(self, hidden: Any) -> None:
        self._cache = self._grown
        self._logits = self._network.lm_head(hidden[-1:])[0].float()

    def _embeds(self, parts: Sequence[Part], states: Sequence[Any]) -> Any:
        """(tokens, hidden); without states the pictures that were encoded again stay unconditioned."""
        import torch

        table = self._network.get_input_embeddings()
        waiting = iter(states)
        embeds = []
        for part in parts:
            if isinstance(part, list):
                embeds.append(table(torch.tensor(part)))
                continue
            values = torch.tensor(part.values).to(table.weight.dtype)
            seen = isinstance(part, Seen)
            embeds.append(values if seen else self._projector(values, next(waiting, None)))
        return torch.cat(embeds)

    def _positions(self, parts: Sequence[Part]) -> Any:
        """(3, 1, tokens)"""
        import torch

        axes: Positions = ([], [], [])
        for part in parts:
            if isinstance(part, Seen):
                places, self._next = visual_positions(part.grid, self._next)
            else:
                places, self._next = text_positions(_count(part), self._next)
            for axis, place in zip(axes, places, strict=True):
                axis += place
        return torch.tensor(axes)[:, None]


def _ids(parts: Sequence[Part]) -> list[int]:
    """Token ids, -1 for every visual token."""
    return [
        token
        for part in parts
        for token in (part if isinstance(part, list) else [-1] * _count(part))
    ]


def _count(part: Part) -> int:
    """Tokens of a part; the re-encoder is Qwen's own tower, whose features are tokens."""
    return len(part) if isinstance(part, list) else len(part.values)


def _nbytes(cache: Any) -> int:
    tensors = (
        t for layer in cache.layers if layer.is_initialized for t in (layer.keys, layer.values)
    )
    return sum(t.numel() * t.element_size() for t in tensors)
