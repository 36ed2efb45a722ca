"""Greedy decoding, a token at a time: under the grammar of actions, or held to a JSON schema."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from foveal.agent.actions import PerceptionKind
from foveal.agent.mask import Vocabulary
from foveal.agent.native.context import Context
from foveal.agent.native.engine import Steps
from foveal.agent.schema_mask import SchemaMask


@dataclass(frozen=True)
class Decoded:
    """One turn as token ids, without the token that ends it."""

    tokens: tuple[int, ...]
    confidence: float
    """Probability of the least certain choice among those the grammar left open; 1.0 if it left none."""
    finished: bool
    """False when the limit on new tokens cut the turn short."""


def decode(
    context: Context,
    logits: Any,
    vocabulary: Vocabulary,
    tools: Sequence[PerceptionKind],
    objects: Collection[int],
    limit: int,
    on_token: Callable[[Sequence[int]], None] | None = None,
) -> Steps[Decoded]:
    """Decode one turn from `logits` (vocabulary,); the context grows by the turn's tokens.

    `on_token` is called with all tokens so far after each one, in the engine's thread.
    """
    import torch

    words = torch.from_numpy(vocabulary.text).to(logits.device)
    turn: list[int] = []
    confidence = 1.0
    while len(turn) < limit:
        named, text = vocabulary.allowed(turn, tools, objects)
        token, probability = _pick(logits, named, words if text else words[:0])
        confidence = min(confidence, probability)
        if token == vocabulary.end:
            return Decoded(tuple(turn), confidence, finished=True)
        turn.append(token)
        if on_token is not None:
            on_token(turn)
        logits = yield from context.extend([[token]])
    return Decoded(tuple(turn), confidence, finished=False)


def fill(
    context: Context,
    logits: Any,
    mask: SchemaMask,
    end: int,
    limit: int,
    on_token: Callable[[Sequence[int]], None] | None = None,
) -> Steps[Decoded]:
    """Decode one turn as JSON that fits a schema; what has no alternative is computed in one go.

    The rest is as in `decode`; `end` closes the turn.
    """
    import torch

    turn: list[int] = []
    confidence = 1.0
    while len(turn) < limit:
        new = mask.forced()[: limit - len(turn)]
        if not new:
            allowed = torch.from_numpy(mask.allowed()).to(logits.device)
            if not len(allowed):  # the schema has become too much for the library
                break
            token, probability = _pick(logits, [], allowed)
            confidence, new = min(confidence, probability), [token]
        if new == [end]:
            return Decoded(tuple(turn), confidence, finished=True)
        mask.take(new)
        turn += new
        if on_token is not None:
            on_token(turn)
        logits = yield from context.extend([new])
    return Decoded(tuple(turn), confidence, finished=False)


def _pick(logits: Any, named: list[int], words: Any) -> tuple[int, float]:
    """The likeliest allowed token and its probability among the allowed."""
    import torch

    if len(named) == 1 and not len(words):
        return named[0], 1.0
    allowed = torch.cat([torch.tensor(named, device=words.device, dtype=words.dtype), words])
    scores = logits[allowed]
    best = int(scores.argmax())
    probability = math.exp(float(scores[best] - scores.logsumexp(0)))
    return int(allowed[best]), min(1.0, probability)
