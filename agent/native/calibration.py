"""From a model's probability of its answer to the chance that the answer is right, as measured beside its weights.

Networks are surer than they are right (Guo et al., 2017, "On Calibration of Modern Neural Networks"). Which share
of answers is right at each probability was measured on questions like those of training: of anything else it says
nothing.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from foveal.agent.errors import SetupError
from foveal.agent.weights import CURE, load_config

CALIBRATION = "calibration.json"
"""Its name in a folder of weights."""

Knot = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]
"""A probability under the model, and the share of answers that are right there."""


def _rising(knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
    if any(right[0] <= left[0] or right[1] < left[1] for left, right in pairwise(knots)):
        raise ValueError("knots must rise from left to right")
    return knots


Knots = Annotated[tuple[Knot, ...], Field(min_length=1), AfterValidator(_rising)]


class Calibration(BaseModel):
    """Two monotone maps through knots: straight between them, to nothing below the first, level above the last.

    Few answers lie below the first knot; level there, an answer would be as sure as one that is twice as probable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: Knots
    """For answers after something came back."""
    unseen: Knots
    """For answers from the first look alone."""

    @classmethod
    def beside(cls, folder: Path) -> Self | None:
        """The one in a folder of weights, None where there is none. Raises SetupError when it is not intact."""
        if not (folder / CALIBRATION).is_file():
            return None
        try:
            return cls.model_validate(load_config(folder / CALIBRATION))
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise SetupError(f"{folder / CALIBRATION} is no calibration: {reason}", CURE) from None

    def of(self, confidence: float, seen: bool) -> float:
        """The chance that an answer of this probability is right."""
        return straight(self.seen if seen else self.unseen, confidence)


def straight(knots: Sequence[Knot], x: float) -> float:
    """The line through the knots at x."""
    if x <= knots[0][0]:
        return knots[0][1] * x / knots[0][0] if knots[0][0] else knots[0][1]
    for (x0, y0), (x1, y1) in pairwise(knots):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return knots[-1][1]
