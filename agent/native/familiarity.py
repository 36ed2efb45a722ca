"""Whether a picture is like those that the model was trained on.

The Mahalanobis distance of the picture's visual tokens, pooled, from those of the training pictures (after Lee et
al., 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"). A model that has only ever
seen one kind of picture is as sure about any other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from foveal.agent.errors import SetupError
from foveal.agent.weights import CURE, load_state

FAMILIARITY = "familiarity.safetensors"
"""Its name in a folder of weights."""
STRANGE = 0.2
"""The most that an answer about an unfamiliar picture is said to be worth."""
RIDGE = 0.01
"""Share of the mean variance that is added to each, so that directions that hardly vary do not decide."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Familiarity:
    """Where training pictures lie, and how far from there the last of them are."""

    mean: Floats
    """(2 x hidden,)"""
    whitening: Floats
    """(2 x hidden, 2 x hidden): what a difference from the mean is multiplied by to be measured."""
    limit: float
    """Distance beyond which a picture is unfamiliar."""

    @classmethod
    def beside(cls, folder: Path) -> Self | None:
        """The one in a folder of weights, None where there is none. Raises SetupError when it is not intact."""
        if not (folder / FAMILIARITY).is_file():
            return None
        state = {
            name: tensor.float().numpy()
            for name, tensor in load_state(folder / FAMILIARITY).items()
        }
        if state.keys() != {"mean", "whitening", "limit"}:
            raise SetupError(f"{folder / FAMILIARITY} holds {', '.join(sorted(state))}", CURE)
        return cls(state["mean"], state["whitening"], float(state["limit"]))

    @classmethod
    def fitted(cls, some: Floats, others: Floats, share: float = 0.995) -> Self:
        """From pooled pictures (pictures, 2 x hidden); of `others` this share is within the limit."""
        mean = some.mean(0)
        covariance = np.cov(some.T)
        covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        free = cls(mean, whitening, np.inf)
        return cls(
            mean, whitening, float(np.quantile([free.distance(one) for one in others], share))
        )

    def distance(self, pooled: Floats) -> float:
        """Of one pooled picture."""
        return float(np.linalg.norm((pooled - self.mean) @ self.whitening))

    def strange(self, tokens: Floats) -> bool:
        """Whether a picture of these visual tokens (tokens, hidden) is unfamiliar."""
        return self.distance(pool(tokens)) > self.limit


def pool(tokens: Floats) -> Floats:
    """(2 x hidden,) mean and spread over a picture's visual tokens (tokens, hidden)."""
    wide = np.asarray(tokens, np.float64)
    return np.concatenate([wide.mean(0), wide.std(0)])
