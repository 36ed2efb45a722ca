"""The two protocols of this layer: a specialist answers requests, a dispatcher brings requests to specialists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Perception
from foveal.agent.observations import Box, Observation


@dataclass(frozen=True)
class Mark:
    """One resolved target of an action."""

    box: Box
    """Where, in pixels of the original image."""
    index: int = 0
    """The object's number, or 0 for a region."""
    label: str = ""
    """What the detector called it, or nothing for a region."""


@dataclass(frozen=True)
class Request:
    """One action on one image, with its targets resolved to boxes."""

    action: Perception
    image: str
    """Content hash of the original image."""
    pixels: NDArray[np.uint8]
    """The original image: (height, width, 3), RGB."""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Something that a specialist drew for the model to see."""

    role: Literal["crop", "mask", "depth", "whole"]
    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    source: Box
    """The part of the original image that it shows."""


@dataclass(frozen=True)
class Features:
    """One picture as an encoder sees it."""

    values: NDArray[Any]
    """(tokens, hidden) in the model's embedding space, or what the model's projector takes; float."""
    grid: tuple[int, int, int]
    """Frames, rows and columns of patches before the 2 x 2 merge."""


@dataclass(frozen=True)
class Reply:
    """What a specialist found, before anything is stored."""

    observation: Observation
    """Complete but for store keys and views, which the dispatcher fills in."""
    mask: NDArray[np.bool_] | None = None
    """(height, width) of the original image."""
    pictures: tuple[Picture, ...] = ()
    features: tuple[Features, ...] = ()
    """Set by encoders alone: one per view of the observation."""
    map: NDArray[np.uint8] | None = None
    """(rows, columns) over the original image: 255 where it is nearest, 0 where it is farthest."""


class Specialist(Protocol):
    """A plain batched function; it knows nothing of Ray, of the graph, or of other specialists."""

    def warm_up(self) -> None:
        """Load the weights and run once, so that the first request does not pay for it."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order. Raises SpecialistError when the batch cannot be answered."""


class Dispatcher(Protocol):
    """Brings an action to its specialist and what came back into the store."""

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """Run one action on the stored image with this hash. Raises SpecialistError, never anything foreign."""

    async def close(self) -> None:
        """Stop what was started."""
