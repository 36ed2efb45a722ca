"""How much better one evaluation is than another of the same questions."""

import math
from collections.abc import Sequence

from foveal.agent.errors import InputError
from foveal.evals.score import Z95
from foveal.evals.scored import Frozen, Scored


class Difference(Frozen):
    """Share of right answers in one evaluation minus that in another."""

    n: int
    gain: float
    interval: tuple[float, float]
    """Wald's 95 % interval for matched pairs."""


def difference(rows: Sequence[Scored], others: Sequence[Scored]) -> Difference:
    """Question by question. Raises InputError where they are not the same questions."""
    asked, beside = ([(row.scene, row.question) for row in some] for some in (rows, others))
    if not rows or asked != beside:
        raise InputError("only evaluations of the same questions can be compared")
    pairs = [row.right - other.right for row, other in zip(rows, others, strict=True)]
    n, gain = len(pairs), sum(pairs) / len(pairs)
    spread = Z95 * math.sqrt(max(0.0, sum(pair * pair for pair in pairs) / n - gain * gain) / n)
    return Difference(n=n, gain=gain, interval=(gain - spread, gain + spread))
