"""What a native session has computed: one causal pass that only ever grows, and where its next token stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Encoder
from foveal.agent.native.engine import Engine, Steps
from foveal.agent.native.packed import Stretch
from foveal.agent.native.positions import Positions, text_positions, visual_positions


@dataclass(frozen=True)
class Seen:
    """A picture as its merged tokens; they stand in two dimensions."""

    values: NDArray[np.floating[Any]]
    """(tokens, hidden)"""
    grid: tuple[int, int, int]
    """Frames, rows and columns of patches before the 2 x 2 merge."""


@dataclass(frozen=True)
class Again:
    """A picture through another encoder, before the model's projector; its tokens stand in line, like text."""

    encoder: Encoder
    values: NDArray[np.floating[Any]]
    """The encoder's own features."""
    state: int | None = None
    """Which of the conversation's control states conditions it, from 0; None for none."""


Part = list[int] | Seen | Again
"""Token ids, or a picture."""

Projector = Callable[[Any, Any], Any]
"""Features and h (hidden,) or None to tokens (tokens, hidden)."""


class Context:
    """One conversation, computed a stretch at a time.

    `<|X_action|>` is fed as the control state: the final-norm state of the token before it. So a stretch
    ends before each such token; nothing is computed twice.
    """

    def __init__(
        self,
        engine: Engine,
        table: Any,
        projectors: Mapping[Encoder, Projector] | None = None,
        controls: frozenset[int] = frozenset(),
        steer: Callable[[Any], Any] = lambda h: h,
        conditioned: bool = True,
    ) -> None:
        """`table` embeds token ids; `controls` are the ids of the `<|X_action|>` tokens; `steer` replaces h."""
        self._table, self._projectors = table, dict(projectors or {})
        self._controls, self._steer, self._conditioned = controls, steer, conditioned
        self._cache = engine.cache()
        self._next = 0
        self._state: Any = None
        self.states: list[Any] = []
        """Every control state (hidden,) that was fed, in order; None for one that was taken away."""
        self.prefilled = 0
        """Tokens computed so far."""
        self.visual = 0
        """Visual tokens among them."""

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return self._cache.length

    @property
    def nbytes(self) -> int:
        """Bytes that the cache reserves."""
        return self._cache.nbytes

    def extend(self, parts: Sequence[Part]) -> Steps[Any]:
        """Append parts; returns the logits (vocabulary,) after the last token."""
        logits = None
        for stretch in self._stretches(parts):
            computed = yield stretch
            self.prefilled += len(stretch.embeds)
            self._state, logits = computed.states[-1], computed.logits
        return logits

    def _stretches(self, parts: Sequence[Part]) -> Iterator[Stretch]:
        """Lazily: what follows a control token is embedded only when its state is known."""
        embeds: list[Any] = []
        places: list[Positions] = []
        for part in _cut(parts, self._controls):
            if embeds and self._leads(part):
                yield self._stretch(embeds, places)
                embeds, places = [], []
            embedded, place = self._embedded(part)
            embeds.append(embedded)
            places.append(place)
        if embeds:
            yield self._stretch(embeds, places)

    def _leads(self, part: Part) -> bool:
        return isinstance(part, list) and part[:1] != [] and part[0] in self._controls

    def _stretch(self, embeds: list[Any], places: list[Positions]) -> Stretch:
        import torch

        axes = [[at for place in places for at in place[axis]] for axis in range(3)]
        positions = torch.tensor(axes, device=self._table.weight.device)
        return Stretch(torch.cat(embeds), positions, self._cache)

    def _embedded(self, part: Part) -> tuple[Any, Positions]:
        """Embeddings (tokens, hidden) and positions of one part."""
        match part:
            case Seen():
                embeds = self._tensor(part.values)
                places, self._next = visual_positions(part.grid, self._next)
                self.visual += len(embeds)
            case Again():
                embeds = self._projected(part)
                places, self._next = text_positions(len(embeds), self._next)
                self.visual += len(embeds)
            case _:
                embeds = self._worded(part)
                places, self._next = text_positions(len(part), self._next)
        return embeds, places

    def _worded(self, ids: list[int]) -> Any:
        import torch

        device = self._table.weight.device
        embeds = self._table(torch.tensor(ids, device=device, dtype=torch.long))
        if not (self._leads(ids) and self._state is not None):
            return embeds
        h = self._steer(self._state)
        self.states.append(h)
        if h is None:
            return embeds
        return torch.cat([h[None].to(embeds.dtype), embeds[1:]])

    def _projected(self, part: Again) -> Any:
        h = self.states[part.state] if part.state is not None and self._conditioned else None
        return self._projectors[part.encoder](self._tensor(part.values), h)

    def _tensor(self, values: NDArray[np.floating[Any]]) -> Any:
        import torch

        weight = self._table.weight
        # Arrays from a store or from shared memory are read-only; torch warns of those unless they are copied.
        return torch.tensor(np.asarray(values), device=weight.device).to(weight.dtype)


def _cut(parts: Sequence[Part], controls: frozenset[int]) -> Iterator[Part]:
    """The same parts, with token ids cut before every control token."""
    for part in parts:
        if not isinstance(part, list):
            yield part
            continue
        starts = [n for n, token in enumerate(part) if token in controls and n]
        for start, end in zip([0, *starts], [*starts, len(part)], strict=True):
            if part[start:end]:
                yield part[start:end]
