"""The re-encoders of Visual Perception Token beside the model's own ViT: DINOv2 and SAM's image encoder.

Source: arXiv 2502.17425 and its public code, which preprocess as `facebook/dinov2-base` and
`facebook/sam-vit-large` do on the Hub. Only the preprocessing is here; the networks come with the checkpoint.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from foveal.agent.resizing import resized
from foveal.agent.vision import Encoded

GRID = (1, 32, 32)
"""256 tokens after the 2 x 2 merge: as many as the model's projector makes of either encoder's features."""
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Of red, green and blue over ImageNet."""

Pixels = NDArray[np.uint8]


class _Reencoder:
    """A frozen network behind the paper's resize and its own library's preprocessing."""

    CAP: ClassVar[int]
    """Pixels of the longer side to which a picture is first resized, whatever the model's own cap."""

    def __init__(self, network: Any, processor: Any, device: str) -> None:
        self._network, self._processor, self._device = network.to(device).eval(), processor, device
        self._dtype = next(network.parameters()).dtype

    def _states(self, pictures: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The network's last hidden state of each picture, computed in one forward pass."""
        import torch

        if not pictures:
            return []
        inputs = self._processor(
            images=[resized(one, self.CAP) for one in pictures],
            return_tensors="pt",
            input_data_format="channels_last",
        )["pixel_values"]
        with torch.inference_mode():
            out = self._network(pixel_values=inputs.to(self._device, self._dtype))
        return list(out.last_hidden_state.float().cpu().numpy())


class DinoEncoder(_Reencoder):
    """DINOv2 on the middle of a picture, as 16 x 16 patches."""

    CAP = 512

    def __init__(self, network: Any, device: str = "cpu") -> None:
        """`network` is a transformers `Dinov2Model`."""
        from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

        processor = BitImageProcessorPil(
            size={"shortest_edge": 256},
            crop_size={"height": 224, "width": 224},
            image_mean=MEAN,
            image_std=STD,
        )
        super().__init__(network, processor, device)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "DinoEncoder":
        """From a checkpoint's own tensors. Raises SetupError when they are missing or damaged."""
        from foveal.agent.checkpoint.encoders import load_encoder

        return cls(load_encoder(folder, "detection", device), device)

    def encode_all(self, pictures: Sequence[Pixels]) -> list[Encoded]:
        """(256, hidden) per picture, row by row: the last layer after its norm, without the class token."""
        return [Encoded(one[1:].copy(), GRID) for one in self._states(pictures)]


class SamEncoder(_Reencoder):
    """SAM's image encoder on a whole picture, which lies in the top left corner of a square."""

    CAP = 1024

    def __init__(self, network: Any, device: str = "cpu") -> None:
        """`network` is a transformers `SamVisionEncoder`."""
        from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

        super().__init__(network, SamImageProcessorPil(), device)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "SamEncoder":
        """From a checkpoint's own tensors. Raises SetupError when they are missing or damaged."""
        from foveal.agent.checkpoint.encoders import load_encoder

        return cls(load_encoder(folder, "seg", device), device)

    def encode_all(self, pictures: Sequence[Pixels]) -> list[Encoded]:
        """(256, 64, 64) per picture: what the neck gives, of the square's padding too."""
        return [Encoded(one.copy(), GRID) for one in self._states(pictures)]
