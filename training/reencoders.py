"""The other encoders in training: whose features they are, how many tokens come of them, and their projectors.

They are the first halves of specialists, as when serving: the depth estimator's backbone stands for the paper's
DINOv2 and the segmenter's image encoder for its SAM.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.agent.actions import Encoder
from foveal.agent.projectors import PROJECTORS
from foveal.tools.depth import DepthEstimator
from foveal.tools.segmenter import Segmenter
from foveal.training import depth, segmenter

Encoders = Mapping[Encoder, Callable[[NDArray[np.uint8]], NDArray[np.float32]]]
"""Picture (height, width, 3) to features, as the projector of that name takes them."""

GENTLE = 0.02
"""What conditioning starts with, of the usual. The update u + (u . c) c grows with the square of c. If c has the
usual length, every token is a hundred times as long and like all others: what projectors have learnt is lost."""
BLOCK = 4
"""Cells of the segmenter's features on a side of one token."""


def encoders_of(folder: Path) -> Encoders:
    """Those whose weights lie in a folder, as `agent train` writes them."""
    backbone = DepthEstimator.from_folder(folder, draws=False)
    outliner = Segmenter.from_folder(folder, draws=False)
    return {
        "detection": lambda pixels: backbone.encode_all([pixels])[0].values,
        "seg": lambda pixels: outliner.encode_all([pixels])[0].values,
    }


def patches_of(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of the depth estimator's patches on an image."""
    patches = depth.SIZE / depth.PATCH / max(width, height)
    return max(round(height * patches), 1), max(round(width * patches), 1)


def blocks_of(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of the segmenter's tokens: of the square that holds an image, whatever its shape."""
    side = segmenter.CONFIG["image_size"] // segmenter.CONFIG["patch_size"] // BLOCK
    return side, side


def add_projectors(network: Any) -> None:
    """Give a network a projector for each encoder, under the names that a model folder has for them."""
    config = network.config
    widths: dict[Encoder, int] = {
        "clip": config.text_config.hidden_size,
        "detection": depth.CONFIG["model"]["backbone_config"]["hidden_size"],
        "seg": segmenter.CONFIG["prompt_embed_dim"],
    }
    for kind, width in widths.items():
        made = PROJECTORS[kind](width, config.text_config.hidden_size)
        with torch.no_grad():
            made.linear_condition.weight *= GENTLE
        setattr(network, f"{kind}_projector", made)
