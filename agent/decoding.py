"""Greedy decoding under the grammar, a token at a time."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from foveal.agent.actions import PerceptionKind
from foveal.agent.context import Context
from foveal.agent.mask import Vocabulary


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
) -> Decoded:
    """Decode one turn from `logits` (vocabulary,); the context grows by the turn's tokens.

    `on_token` is called with all tokens so far after each one.
    """
    turn: list[int] = []
    confidence = 1.0
    while len(turn) < limit:
        token, probability = _pick(logits, *vocabulary.allowed(turn, tools, objects), vocabulary)
        confidence = min(confidence, probability)
        if token == vocabulary.end:
            return Decoded(tuple(turn), confidence, finished=True)
        turn.append(token)
        if on_token is not None:
            on_token(turn)
        logits = context.extend([[token]])
    return Decoded(tuple(turn), confidence, finished=False)


def _pick(logits: Any, named: list[int], text: bool, vocabulary: Vocabulary) -> tuple[int, float]:
    """The likeliest allowed token and its probability among the allowed."""
    import torch

    allowed = torch.tensor([*named, *(vocabulary.text if text else ())], device=logits.device)
    scores = logits[allowed]
    best = int(scores.argmax())
    probability = math.exp(float(scores[best] - scores.logsumexp(0)))
    return int(allowed[best]), min(1.0, probability)
