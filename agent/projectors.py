"""How a re-encoder's features become tokens: projected, and drawn along a direction that the model chose.

The projectors of the Visual Perception Token paper (arXiv 2502.17425). Attributes are named as in the released
checkpoints, the unused ones included, so that their tensors load strictly.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from foveal.agent.actions import Encoder


class Projector(nn.Module, ABC):
    """Features of one picture to tokens in the language model's space, conditioned by a rank-1 update.

    With u the projected feature and h the control state, a token is u + (u . c) c, where
    c = linear_condition(layernorm_condition(h)): no softmax and no scaling (arXiv 2502.17425).
    """

    def __init__(self, features: int, hidden: int) -> None:
        """`features` is the encoder's width, `hidden` the language model's."""
        super().__init__()
        self.linear_feature = nn.Linear(features, hidden)
        self.linear_condition = nn.Linear(hidden, hidden)
        self.layernorm_feature = nn.LayerNorm(features)
        self.layernorm_condition = nn.LayerNorm(hidden)
        for layer in (self.linear_feature, self.linear_condition):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    @abstractmethod
    def projected(self, features: Tensor) -> Tensor:
        """Features as tokens (tokens, hidden), before they are conditioned."""

    def forward(self, features: Tensor, h: Tensor | None) -> Tensor:
        """Tokens (tokens, hidden); without a control state h (hidden,) they stay unconditioned."""
        tokens = self.projected(features)
        if h is None:
            return tokens
        c: Tensor = self.linear_condition(self.layernorm_condition(h))
        return tokens + (tokens @ c).unsqueeze(-1) * c


class ClipProjector(Projector):
    """Qwen's own vision tower again: its merged tokens (tokens, hidden) are in the right space as they are."""

    def projected(self, features: Tensor) -> Tensor:
        """The features themselves; linear_feature and layernorm_feature exist, but are not used."""
        return features


class DetectionProjector(Projector):
    """DINOv2: patch features (tokens, features), without the class token."""

    def projected(self, features: Tensor) -> Tensor:
        """One token a patch."""
        tokens: Tensor = self.linear_feature(self.layernorm_feature(features))
        return tokens


class SegProjector(Projector):
    """SAM: the output of its neck, (features, rows, columns); linear_feature exists, but is not used."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden)
        self.conv_feature = nn.Conv2d(features, hidden, kernel_size=4, stride=4)

    def projected(self, features: Tensor) -> Tensor:
        """One token for every 4 x 4 cells, row by row: 256 for SAM's 64 x 64."""
        normed = self.layernorm_feature(features.movedim(0, -1)).movedim(-1, 0)
        tokens: Tensor = self.conv_feature(normed)
        return tokens.flatten(1).T


PROJECTORS: dict[Encoder, type[Projector]] = {
    "clip": ClipProjector,
    "detection": DetectionProjector,
    "seg": SegProjector,
}


def empty_projector(encoder: Encoder, features: int, hidden: int) -> Projector:
    """A projector whose tensors have shapes, but no memory: to be loaded into."""
    with torch.device("meta"):
        return PROJECTORS[encoder](features, hidden)
