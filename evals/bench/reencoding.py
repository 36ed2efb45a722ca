"""A look through a second encoder and the answer after it: one cached pass, against the published two."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from foveal.evals.bench.row import Finding, less_time
from foveal.evals.bench.timing import Measure, in_turn, timed
from foveal.tools.extras import needs

if TYPE_CHECKING:
    from foveal.agent.native.model import NativeModel
    from foveal.evals.bench.dialogue import Dialogue

OURS, THEIRS = "foveal", "two passes"
TOKENS, ROUNDS = 32, 7
"""Decoded by the tiny model in a round, and rounds."""
FEW_TOKENS, FEW_ROUNDS = 6, 5
"""The same for the large one."""


@dataclass(frozen=True)
class Found:
    """What one dialogue shows."""

    token: Finding
    """Time per decoded token after the second look."""
    prefill: Finding
    """Tokens that are new at the second look, over those that are computed for it: 1.0 if they are equal."""
    memory: Finding
    """How much the keys and values swell while a token is decoded: theirs over ours."""


def tiny(rounds: int | None) -> Mapping[str, Finding]:
    """A model of the size of the paper's golden checkpoints."""
    with needs("models"):
        from foveal.evals.bench.models import TINY, random_model
    found = compared(random_model(TINY), TOKENS, rounds or ROUNDS)
    return {
        "reencode-token-tiny": found.token,
        "second-hop-prefill": found.prefill,
        "session-memory": found.memory,
    }


def large(rounds: int | None) -> Mapping[str, Finding]:
    """A model of the size of Qwen2-VL-2B, in bfloat16."""
    with needs("models"):
        from foveal.evals.bench.models import TWO_BILLION, random_model
    found = compared(random_model(TWO_BILLION), FEW_TOKENS, rounds or FEW_ROUNDS)
    return {"reencode-token-2b": found.token}


def compared(model: "NativeModel", tokens: int, rounds: int) -> Found:
    """One dialogue with this model."""
    from foveal.evals.bench.dialogue import Dialogue

    with asyncio.Runner() as runner:
        dialogue = Dialogue(model, runner.run)
        dialogue.first_turn()
        look, prefill = timed(dialogue.look)(), timed(dialogue.prefill)()
        counted, memory = _counted(dialogue), _memory(dialogue)
        samples = in_turn(
            {
                OURS: _each(tokens, timed(lambda: dialogue.decode(tokens))),
                THEIRS: _each(tokens, timed(lambda: dialogue.reference.decode(tokens))),
            },
            rounds,
        )
    token = less_time(samples, OURS, THEIRS)
    hop = f"; the second look itself took {look:.3g} s, theirs {prefill:.3g} s"
    return Found(replace(token, detail=token.detail + hop), counted, memory)


def _each(count: int, measure: Measure) -> Measure:
    return lambda: measure() / count


def _counted(dialogue: "Dialogue") -> Finding:
    new, ours, theirs = dialogue.new, dialogue.looked, dialogue.reference.prefilled
    numbers = {"new tokens": new, f"{OURS} prefilled": ours, f"{THEIRS} prefilled": theirs}
    return _exact(min(new, ours) / max(new, ours), "tokens", numbers)


def _memory(dialogue: "Dialogue") -> Finding:
    """Of the token after the second look."""
    ours, theirs = dialogue.session.nbytes, dialogue.reference.nbytes
    dialogue.decode(1)
    dialogue.reference.decode(1)
    ours_peak, theirs_peak = dialogue.session.nbytes, dialogue.reference.peak
    numbers = {
        f"{OURS} before": ours / 1024,
        f"{OURS} at most": ours_peak / 1024,
        f"{THEIRS} before": theirs / 1024,
        f"{THEIRS} at most": theirs_peak / 1024,
    }
    return _exact((theirs_peak / theirs) / (ours_peak / ours), "KiB", numbers)


def _exact(ratio: float, unit: str, numbers: Mapping[str, float]) -> Finding:
    return Finding(ratio, (ratio, ratio), unit, numbers, "counted, so not repeated")
