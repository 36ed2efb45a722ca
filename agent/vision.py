"""The vision tower of a Qwen2-VL model: pictures of any sizes in, merged visual tokens out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.errors import SetupError
from foveal.agent.resizing import resized
from foveal.agent.weights import load_config

if TYPE_CHECKING:
    from foveal.agent.checkpoint.building import Layout

TOWER = "model.visual."
ASPECT = 200
"""Qwen2-VL refuses a picture that is longer than this many times its width: such a hairline is widened."""
IMAGE_RESOLUTION = 512
"""The cap that the released Visual Perception Token checkpoints were trained under, in pixels."""

DEFAULT_SIZE = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}
"""Fewest and most pixels of a picture where a folder does not say, as Qwen2-VL has them."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Encoded:
    """One picture as an encoder sees it."""

    values: NDArray[np.float32]
    """(tokens, hidden) in the language model's embedding space; of another encoder, its features as they are."""
    grid: tuple[int, int, int]
    """Frames, rows and columns of patches before the 2 x 2 merge."""


class VisionEncoder:
    """A vision tower with its own preprocessing."""

    def __init__(
        self, tower: Any, processor: Any, device: str = "cpu", cap: int | None = None
    ) -> None:
        """`cap`: with one, pictures are first resized as in the paper, so that no side is longer, in pixels."""
        self._tower = tower.to(device).eval()
        self._processor = processor
        self._device = device
        self._cap = cap

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "VisionEncoder":
        """The tower alone, from a model folder of any layout. Raises SetupError for damaged weights."""
        from transformers.models.qwen2_vl.modeling_qwen2_vl import (
            Qwen2VisionTransformerPretrainedModel as Tower,
        )

        from foveal.agent.checkpoint.assembly import assembled
        from foveal.agent.checkpoint.building import layout, network_config, precision, tensors

        plan = layout(folder)
        config = network_config(plan.config).vision_config
        state = tensors(folder, TOWER)
        dtype = precision(device, plan, state)
        return cls.of(assembled(lambda: Tower(config), state, folder, device, dtype), plan, device)

    @classmethod
    def of(cls, tower: Any, plan: "Layout", device: str = "cpu") -> "VisionEncoder":
        """A tower that is loaded already, with the preprocessing of the folder that it came from."""
        cap = None if plan.variant is None else IMAGE_RESOLUTION
        return cls(tower, processor_of(plan.folder), device, cap)

    def encode(self, pixels: Pixels) -> Encoded:
        """Visual tokens of a picture (height, width, 3), RGB, of any size."""
        return self.encode_all([pixels])[0]

    def encode_all(self, pictures: Sequence[Pixels]) -> list[Encoded]:
        """The same for several pictures, whose sizes may differ, in one forward pass.

        Raises InputError for a picture that the cap leaves without a pixel.
        """
        import torch

        if not pictures:
            return []
        inputs = self._processor(
            images=[self._fitted(one) for one in pictures],
            return_tensors="pt",
            input_data_format="channels_last",
        )
        grids = inputs["image_grid_thw"]
        with torch.inference_mode():
            out = self._tower(
                inputs["pixel_values"].to(self._device), grid_thw=grids.to(self._device)
            )
        values: NDArray[np.float32] = out.pooler_output.float().cpu().numpy()
        return _apart(values, grids.tolist())

    def _fitted(self, pixels: Pixels) -> Pixels:
        return _stretched(pixels if self._cap is None else resized(pixels, self._cap))


def _apart(values: NDArray[np.float32], grids: Sequence[Sequence[int]]) -> list[Encoded]:
    """One picture's tokens after another's, as arrays of their own: one kept does not keep its neighbours."""
    encoded, start = [], 0
    for frames, rows, columns in grids:
        stop = start + frames * rows * columns // 4
        encoded.append(Encoded(values[start:stop].copy(), (frames, rows, columns)))
        start = stop
    return encoded


def _stretched(pixels: Pixels) -> Pixels:
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
    known = {"patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std"}
    chosen = {name: v for name, v in values.items() if name in known and v is not None}
    return Qwen2VLImageProcessorPil(**chosen, **_size(values))


def quartered(folder: Path) -> bool:
    """Whether the folder's model sees quarters of a picture that it re-encodes through its own tower.

    Its preprocessor_config.json says so: `"again": "quarters"`. Raises SetupError for anything else but "whole".
    """
    path = folder / "preprocessor_config.json"
    again = load_config(path).get("again", "whole") if path.is_file() else "whole"
    if again not in ("whole", "quarters"):
        raise SetupError(f"{path} has again={again!r}", 'write "whole" or "quarters"')
    return bool(again == "quarters")


def _size(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fewest and the most pixels, whether spelled `min_pixels` beside or inside `size`, or as its edges."""
    inside = values.get("size") or {}
    size = {
        edge: values.get(old) or inside.get(edge) or inside.get(old)
        for edge, old in (("shortest_edge", "min_pixels"), ("longest_edge", "max_pixels"))
    }
    return {"size": DEFAULT_SIZE | {edge: pixels for edge, pixels in size.items() if pixels}}
