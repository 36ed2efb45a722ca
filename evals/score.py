"""Right, wrong or no answer; and how sure a share of right answers is."""

import math
from typing import Literal

from foveal.graphs.sameness import normalised

Verdict = Literal["right", "wrong", "no_answer"]

Z95 = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


def verdict(answer: str, truth: str) -> Verdict:
    """Whether the answer is the truth, but for case, articles, punctuation and space. Nothing is guessed."""
    said = normalised(answer)
    if not said:
        return "no_answer"
    return "right" if said == normalised(truth) else "wrong"


def wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson, 1927); 0 to 1 when there is nothing to share."""
    if of == 0:
        return 0.0, 1.0
    share, z = right / of, Z95
    centre = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    # At the ends the sums cancel exactly, but not in floating point.
    low = 0.0 if right == 0 else (centre - spread) / scale
    return low, 1.0 if right == of else (centre + spread) / scale
