"""How long an answer takes once everything is loaded."""

from collections.abc import Sequence

import numpy as np

from foveal.evals.scored import Frozen, Scored


class Times(Frozen):
    """Seconds a question, from asking to the answer; with `--verify` the second asking counts, too."""

    warm: int
    """Questions for which nothing had to be loaded; p50 and p95 are of these."""
    p50: float | None
    """Half of them took no longer; None without any."""
    p95: float | None
    first: float
    """The first question, while which specialists are loaded."""


def times(rows: Sequence[Scored]) -> Times:
    """Of one row or more."""
    warm = [row.result.seconds for row in rows if not row.cold]
    p50, p95 = np.quantile(warm, [0.5, 0.95]).round(3).tolist() if warm else (None, None)
    return Times(warm=len(warm), p50=p50, p95=p95, first=round(rows[0].result.seconds, 3))


class Warmth:
    """Knows what a sitting has loaded: the model with the first question, each specialist when first asked."""

    def __init__(self) -> None:
        self._loaded: set[str] = set()

    def cold(self, kinds: Sequence[str]) -> bool:
        """Whether a question that needed the model and these specialists had to wait for one to be loaded."""
        needed = {"model", *kinds}
        new = not needed <= self._loaded
        self._loaded |= needed
        return new
