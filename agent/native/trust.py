"""What an answer's probability is worth: as measured on pictures like those of training, and little elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from foveal.agent.native.calibration import Calibration
from foveal.agent.native.familiarity import STRANGE, Familiarity
from foveal.agent.observations import Failed, Recognised
from foveal.agent.transcript import Acted, Asked, Noted, Observed

Item = Asked | Acted | Observed | Noted


@dataclass(frozen=True)
class Trust:
    """Both parts may be missing: then an answer is as sure as its least certain token."""

    calibration: Calibration | None = None
    familiarity: Familiarity | None = None

    @classmethod
    def beside(cls, folder: Path) -> Self:
        """What lies in a folder of weights. Raises SetupError for what is not intact."""
        return cls(Calibration.beside(folder), Familiarity.beside(folder))

    def of(
        self, confidence: float, items: Sequence[Item], first: NDArray[np.floating[Any]] | None
    ) -> float:
        """The chance that an answer of this probability is right.

        `first` are the visual tokens (tokens, hidden) of the whole picture, None where it was not looked at.
        What was read can be trusted in any picture.
        """
        seen = [
            item.observation
            for item in items
            if isinstance(item, Observed) and not isinstance(item.observation, Failed)
        ]
        if self.calibration is not None:
            confidence = self.calibration.of(confidence, bool(seen))
        read = bool(seen) and all(isinstance(one, Recognised) for one in seen)
        if self.familiarity is None or first is None or read or not self.familiarity.strange(first):
            return confidence
        return min(confidence, STRANGE)
