"""Depth: Depth-Anything, one relative depth map per image, read off for each target."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Depth
from foveal.agent.observations import Box, Range, Ranged
from foveal.agent.vision import Encoded
from foveal.agent.weights import load_config, load_into
from foveal.tools.base import Mark, Picture, Reply, Request
from foveal.tools.builders import build_depth
from foveal.tools.cache import ByteLRU
from foveal.tools.extras import needs

CACHE = 64 * 2**20
"""Bytes of depth maps remembered."""
CENTRAL = 0.5
"""The middle share of a box, per side, that stands for the object in it."""

Map = NDArray[np.float32]


class DepthEstimator:
    """Tells near from far."""

    def __init__(
        self, model: Any, config: dict[str, Any], device: str = "cpu", draws: bool = True
    ) -> None:
        """`draws`: whether to hand out the map as a picture, for models that were trained to see it."""
        self._model, self._device, self._draws = model.to(device), device, draws
        self._size = int(config["image_size"])
        self._patch = int(config["model"]["patch_size"])
        self._near_high = config["polarity"] == "near_high"
        self._mean = np.array(config["mean"], np.float32)
        self._std = np.array(config["std"], np.float32)
        self._maps: ByteLRU[Map] = ByteLRU(CACHE)
        self.estimated = 0
        """Maps computed so far."""

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu", draws: bool = True) -> "DepthEstimator":
        """From depth.json and depth.safetensors."""
        with needs("models"):
            config = load_config(folder / "depth.json")
            model = load_into(build_depth(config), folder / "depth.safetensors")
        return cls(model, config, device, draws)

    def warm_up(self) -> None:
        """Run once on a black image."""
        self._estimate(np.zeros((64, 64, 3), np.uint8))

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Targets nearest first, and perhaps the map as a grey picture in which near is bright."""
        return [self._reply(request) for request in batch]

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        """Its backbone as a re-encoder: (patches, hidden) per picture, row by row, without the class token."""
        return [self._features(picture) for picture in pictures]

    def _features(self, picture: NDArray[np.uint8]) -> Encoded:
        import torch

        inputs = torch.from_numpy(self._normalised(picture)).to(self._device)
        rows, columns = (side // self._patch for side in inputs.shape[2:])
        with torch.inference_mode():
            last = self._model.backbone(inputs).feature_maps[-1][0]
        return Encoded(last[1:].float().cpu().numpy().copy(), (1, 2 * rows, 2 * columns))

    def _reply(self, request: Request) -> Reply:
        if not isinstance(request.action, Depth):
            raise TypeError(f"the depth estimator cannot {request.action.kind}")
        distances = self._map(request)
        size = request.pixels.shape[:2]
        ranges = [_range(distances, mark, size) for mark in request.marks]
        ranges.sort(key=lambda one: one.depth)
        whole = Box(image=request.image, xyxy=(0, 0, size[1], size[0]))
        levels = _levels(distances)
        grey = np.repeat(levels[:, :, None], 3, axis=2)
        pictures = (Picture("depth", grey, whole),) if self._draws else ()
        return Reply(Ranged(ranges=tuple(ranges)), pictures=pictures, map=levels)

    def _map(self, request: Request) -> Map:
        known = self._maps.get(request.image)
        if known is None:
            known = self._estimate(request.pixels)
            self._maps.put(request.image, known, known.nbytes)
        return known

    def _estimate(self, image: NDArray[np.uint8]) -> Map:
        """(rows, columns) at the network's resolution: 0 is the nearest and 1 the farthest pixel."""
        import torch

        self.estimated += 1
        inputs = torch.from_numpy(self._normalised(image)).to(self._device)
        with torch.inference_mode():
            raw: Map = self._model(pixel_values=inputs).predicted_depth[0].float().cpu().numpy()
        low, high = float(raw.min()), float(raw.max())
        spread = (raw - low) / max(high - low, 1e-12)
        return 1 - spread if self._near_high else spread

    def _normalised(self, image: NDArray[np.uint8]) -> Map:
        """(1, 3, rows, columns), the longer side as the network was trained, whole patches only."""
        height, width = image.shape[:2]
        scale = self._size / max(height, width)
        rows, columns = (self._patched(side * scale) for side in (height, width))
        resized = Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC)
        values = (np.asarray(resized, np.float32) / 255 - self._mean) / self._std
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)

    def _patched(self, side: float) -> int:
        return max(round(side / self._patch), 1) * self._patch


def _range(distances: Map, mark: Mark, size: tuple[int, ...]) -> Range:
    """The median over the middle of the target's box."""
    rows, columns = distances.shape
    x0, y0, x1, y1 = mark.box.xyxy
    top, bottom = _middle(y0, y1, rows / size[0], rows)
    left, right = _middle(x0, x1, columns / size[1], columns)
    depth = float(np.median(distances[top:bottom, left:right]))
    return Range(index=mark.index, label=mark.label, box=mark.box, depth=depth)


def _middle(low: float, high: float, scale: float, extent: int) -> tuple[int, int]:
    """The central part of an interval on the map: at least one cell, inside it."""
    cut = (high - low) * (1 - CENTRAL) / 2
    start = min(max(int((low + cut) * scale), 0), extent - 1)
    stop = min(max(round((high - cut) * scale), start + 1), extent)
    return start, stop


def _levels(distances: Map) -> NDArray[np.uint8]:
    return np.rint((1 - distances) * 255).astype(np.uint8)
