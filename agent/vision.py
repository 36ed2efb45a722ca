"""The vision tower of a Qwen2-VL model on one picture at a time: pixels in, merged visual tokens out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.weights import load_config, load_into

TOWER = "model.visual."
ASPECT = 200
"""Qwen2-VL refuses a picture that is longer than this many times its width: such a hairline is widened."""


@dataclass(frozen=True)
class Encoded:
    """One picture in the language model's embedding space."""

    values: NDArray[np.float32]
    """(tokens, hidden)"""
    grid: tuple[int, int, int]
    """Frames, rows and columns of patches before the 2 x 2 merge."""


class VisionEncoder:
    """A vision tower with its own preprocessing."""

    def __init__(self, tower: Any, processor: Any, device: str = "cpu") -> None:
        self._tower = tower.to(device).eval()
        self._processor = processor
        self._device = device

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "VisionEncoder":
        """The tower alone, from a folder in Hugging Face layout. Raises SetupError for damaged weights."""
        from transformers import Qwen2VLConfig
        from transformers.models.qwen2_vl.modeling_qwen2_vl import (
            Qwen2VisionTransformerPretrainedModel,
        )

        config: Any = Qwen2VLConfig(**load_config(folder / "config.json"))
        tower = Qwen2VisionTransformerPretrainedModel(config.vision_config)
        load_into(tower, folder / "model.safetensors", part=TOWER)
        return cls(tower, processor_of(folder), device)

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Visual tokens of a picture (height, width, 3), RGB, of any size."""
        import torch

        inputs = self._processor(
            images=[_stretched(pixels)], return_tensors="pt", input_data_format="channels_last"
        )
        grid = inputs["image_grid_thw"]
        with torch.inference_mode():
            out = self._tower(
                inputs["pixel_values"].to(self._device), grid_thw=grid.to(self._device)
            )
        frames, rows, columns = (int(n) for n in grid[0])
        values: NDArray[np.float32] = out.pooler_output.float().cpu().numpy()
        return Encoded(values, (frames, rows, columns))


def _stretched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture that Qwen2-VL takes: the rows or columns of a hairline are repeated."""
    height, width = pixels.shape[:2]
    for axis, (short, long) in enumerate(((height, width), (width, height))):
        if long > short * ASPECT:
            return pixels.repeat(-(-long // (short * ASPECT)), axis=axis)
    return pixels


def processor_of(folder: Path) -> Any:
    """The image processor that the folder's preprocessor_config.json describes, on PIL alone."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    path = folder / "preprocessor_config.json"
    values = load_config(path) if path.is_file() else {}
    known = {"size", "min_pixels", "max_pixels", "patch_size", "merge_size", "temporal_patch_size",
             "image_mean", "image_std"}  # fmt: skip
    return Qwen2VLImageProcessorPil(**{k: v for k, v in values.items() if k in known})
