"""The vision tower of a Qwen2-VL model on one picture at a time: pixels in, merged visual tokens out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.weights import load_config, load_state

TOWER = "model.visual."


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

        config = Qwen2VLConfig(**load_config(folder / "config.json"))
        tower = Qwen2VisionTransformerPretrainedModel(config.vision_config)
        state = load_state(folder / "model.safetensors")
        own = {k.removeprefix(TOWER): v for k, v in state.items() if k.startswith(TOWER)}
        tower.load_state_dict(own, strict=True)
        return cls(tower, processor_of(folder), device)

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Visual tokens of a picture (height, width, 3), RGB, of any size."""
        import torch

        inputs = self._processor(images=[pixels], return_tensors="pt", input_data_format="channels_last")
        grid = inputs["image_grid_thw"]
        with torch.inference_mode():
            out = self._tower(inputs["pixel_values"].to(self._device), grid_thw=grid.to(self._device))
        frames, rows, columns = (int(n) for n in grid[0])
        values: NDArray[np.float32] = out.pooler_output.float().cpu().numpy()
        return Encoded(values, (frames, rows, columns))


def processor_of(folder: Path) -> Any:
    """The image processor that the folder's preprocessor_config.json describes, on PIL alone."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    path = folder / "preprocessor_config.json"
    values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = {"size", "min_pixels", "max_pixels", "patch_size", "merge_size", "temporal_patch_size",
             "image_mean", "image_std"}  # fmt: skip
    return Qwen2VLImageProcessorPil(**{k: v for k, v in values.items() if k in known})
