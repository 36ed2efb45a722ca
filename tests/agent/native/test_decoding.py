"""One turn, a token at a time: what the mask forbids is never picked, what it forces is certain."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.agent.mask import Vocabulary
from foveal.agent.native.decoding import decode
from foveal.agent.native.engine import Steps

END, SPECIAL, FIRST, SIZE = 10, 3, 11, 100
IDS = {token: FIRST + i for i, token in enumerate(PERCEPTION_TOKENS)}
VOCABULARY = Vocabulary(IDS, SIZE, [SPECIAL, *range(90, SIZE)], end=END)
CLIP = ["<|clip_action_start|>", "<|clip_action|>", "<|clip_action_end|>"]


def wish(**scores: float) -> torch.Tensor:
    """Logits that prefer the given ids: wish(_5=2) for id 5."""
    logits = torch.zeros(SIZE)
    for name, score in scores.items():
        logits[int(name[1:])] = score
    return logits


class Script:
    """A context that answers every token with the next logits, then keeps the last ones."""

    def __init__(self, *logits: torch.Tensor) -> None:
        self.logits = list(logits)
        self.fed: list[int] = []

    def extend(self, parts: Sequence[list[int]]) -> Steps[torch.Tensor]:
        self.fed += parts[0]
        yield from ()
        return self.logits.pop(0) if len(self.logits) > 1 else self.logits[0]


def ended(steps: Steps[Any]) -> Any:
    """What work returns that never needs the model."""
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


def run(first: torch.Tensor, *then: torch.Tensor, tools: Any = (), limit: int = 9) -> Any:
    context: Any = Script(*(then or (first,)))
    return ended(decode(context, first, VOCABULARY, tools, (), limit)), context


def test_the_likeliest_word_until_the_end() -> None:
    decoded, context = run(wish(_5=3), wish(_7=3), wish(_10=3))
    assert decoded.tokens == (5, 7)
    assert decoded.finished
    assert context.fed == [5, 7], "the end token is left for the reply to write"


def test_special_tokens_and_padding_are_never_picked() -> None:
    loud = wish(_3=99, _95=99, _11=99, _6=1)
    decoded, _ = run(loud, limit=4)
    assert decoded.tokens == (6, 6, 6, 6)
    assert not decoded.finished


def test_the_end_cannot_come_first() -> None:
    decoded, _ = run(wish(_10=99, _4=1))
    assert decoded.tokens == (4,)


def test_what_the_grammar_forces_comes_whatever_the_logits_say_and_is_certain() -> None:
    start, fixed, end = (IDS[token] for token in CLIP)
    eager = wish(_10=50, **{f"_{start}": 60})
    decoded, _ = run(eager, wish(_10=50), wish(_5=50), wish(_10=50), tools=("reencode",))
    assert decoded.tokens == (start, fixed, end)
    assert decoded.confidence == pytest.approx(1.0, abs=1e-4)


def test_confidence_is_that_of_the_least_certain_choice_among_the_allowed() -> None:
    decoded, _ = run(wish(_5=30, _3=99), wish(_5=30, _10=30 + math.log(3)))
    assert decoded.confidence == pytest.approx(0.75, abs=1e-4)


def test_every_token_is_reported_with_those_before_it() -> None:
    heard: list[tuple[int, ...]] = []
    context: Any = Script(wish(_7=3), wish(_10=3))
    listen = decode(context, wish(_5=3), VOCABULARY, (), (), 9, lambda t: heard.append(tuple(t)))
    ended(listen)
    assert heard == [(5,), (5, 7)]


def test_no_allowance_decodes_nothing() -> None:
    decoded, context = run(wish(_5=3), limit=0)
    assert (decoded.tokens, decoded.finished, context.fed) == ((), False, [])
