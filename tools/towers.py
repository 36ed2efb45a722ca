"""Where an encoder's networks come from: all are Towers, and none is loaded before it is used."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Encoder as Kind
from foveal.agent.errors import FovealError, SetupError
from foveal.agent.vision import Encoded, VisionEncoder
from foveal.tools.depth import DepthEstimator
from foveal.tools.extras import needs
from foveal.tools.reencoders import DinoEncoder, SamEncoder
from foveal.tools.segmenter import Segmenter


class Tower(Protocol):
    """A frozen vision network with its own preprocessing."""

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        """One encoding per picture (height, width, 3), RGB, of any sizes, in order, in one forward pass.

        Raises InputError for a picture that cannot be encoded.
        """


class LateTower:
    """A tower that is loaded when it is first used."""

    def __init__(self, name: str, load: Callable[[], Tower]) -> None:
        """`name` is how errors call it."""
        self._name, self._load = name, load
        self._tower: Tower | None = None

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        """As the tower's own. Raises SetupError when it cannot be loaded."""
        if self._tower is None:
            self._tower = self._loaded()
        return self._tower.encode_all(pictures)

    def _loaded(self) -> Tower:
        try:
            with needs("models"):
                return self._load()
        except FovealError:
            raise
        except Exception as error:  # not for the model to be told: only the user can mend it
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
            problem = f"the {self._name!r} encoder cannot be loaded ({reason})"
            raise SetupError(problem, "run `agent doctor` to see what is wrong") from error


Loader = Callable[[Path, str], Tower]

RELEASED: dict[Kind, Loader] = {
    "clip": VisionEncoder.from_folder,
    "detection": DinoEncoder.from_folder,
    "seg": SamEncoder.from_folder,
}
"""A released checkpoint brings the network of its variant."""
EMBEDDED: dict[Kind, Loader] = {
    "clip": VisionEncoder.from_folder,
    "detection": DepthEstimator.from_folder,
    "seg": Segmenter.from_folder,
}
"""Beside our own weights lie specialists, whose first halves are such networks."""


def towers_of(folder: Path, variant: Kind | None, device: str = "cpu") -> dict[Kind, Tower]:
    """The towers that a model folder has use for: its own, and those for which it holds a projector."""
    own: Kind = "clip"
    loaders, kinds = (EMBEDDED, _projected(folder)) if variant is None else (RELEASED, {variant})
    return {
        kind: LateTower(kind, partial(loaders[kind], folder, device))
        for kind in sorted({own, *kinds})
    }


def _projected(folder: Path) -> set[Kind]:
    with needs("models"):
        from foveal.agent.checkpoint.building import projected

        return projected(folder)


def variant_of(folder: Path) -> Kind | None:
    """The re-encoder of a released checkpoint; None for any other model folder."""
    with needs("models"):
        from foveal.agent.checkpoint.building import layout

        return layout(folder).variant
