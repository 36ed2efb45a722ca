"""Which specialists exist, and which of them answers which action."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import assert_never

from foveal.agent.actions import PerceptionKind
from foveal.tools.base import Specialist
from foveal.tools.depth import DepthEstimator
from foveal.tools.detector import Detector
from foveal.tools.encoder import Encoder
from foveal.tools.reader import Reader
from foveal.tools.segmenter import Segmenter
from foveal.tools.towers import variant_of

Factory = Callable[[], Specialist]
Crew = Mapping[str, Factory]
"""Specialist name to something that makes one. Factories are called where the specialist lives and must pickle."""

ENCODER = "encoder"
"""The specialist that turns pictures into visual tokens; a crew without it hands out pictures alone."""


REMEMBERING = frozenset({"detector", "segmenter", "depth", ENCODER})
"""Specialists that keep what they computed for an image: asking the same process again is cheap."""


def specialist_for(kind: PerceptionKind) -> str:
    """The name of the specialist that executes an action."""
    match kind:
        case "look" | "reencode":
            return ENCODER
        case "detect":
            return "detector"
        case "segment":
            return "segmenter"
        case "depth":
            return "depth"
        case "read":
            return "reader"
    assert_never(kind)


def embedded(
    folder: Path, device: str = "cpu", drawn: Collection[PerceptionKind] = ("segment", "depth")
) -> Crew:
    """The specialists whose weights lie in one folder, plus the reader, which brings its own.

    `drawn` are the kinds of action that come back with a picture.
    """
    return {
        "detector": partial(Detector.from_folder, folder, device),
        "segmenter": partial(Segmenter.from_folder, folder, device, "segment" in drawn),
        "depth": partial(DepthEstimator.from_folder, folder, device, "depth" in drawn),
        "reader": Reader.packaged,
        ENCODER: partial(Encoder.from_folder, folder, device),
    }


def released(folder: Path, device: str = "cpu") -> Crew:
    """The specialists of a released Visual Perception Token checkpoint: its own encoders, and nothing else."""
    return {ENCODER: partial(Encoder.from_folder, folder, device)}


def crew_of(
    folder: Path, device: str = "cpu", drawn: Collection[PerceptionKind] = ("segment", "depth")
) -> Crew:
    """The specialists that come with a model folder, by what its config.json says it is.

    Raises SetupError when it holds no model.
    """
    if variant_of(folder) is not None:
        return released(folder, device)
    return embedded(folder, device, drawn)
