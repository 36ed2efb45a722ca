"""Detect: ultralytics YOLO with a closed vocabulary, run once per image and then asked by phrase."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Detect
from foveal.agent.errors import SetupError
from foveal.agent.observations import Box, Detected, Found
from foveal.agent.phrases import match
from foveal.agent.weights import load_config, load_into
from foveal.tools.base import Reply, Request
from foveal.tools.builders import build_detector
from foveal.tools.cache import ByteLRU
from foveal.tools.extras import needs
from foveal.tools.quiet import import_ultralytics

CACHE = 16 * 2**20
"""Bytes of detections remembered."""
CONFIDENCE = 0.25
OVERLAP = 0.6
"""Boxes that overlap more than this are one object, whatever their classes."""


class Detector:
    """Finds the objects of its vocabulary."""

    def __init__(self, model: Any, config: dict[str, Any], device: str = "cpu") -> None:
        self.names: tuple[str, ...] = tuple(config["names"])
        """The vocabulary: index to name."""
        self._size = int(config["image_size"])
        self._confidence = float(config.get("conf", CONFIDENCE))
        self._overlap = float(config.get("iou", OVERLAP))
        self._model, self._device = model.to(device), device
        self._seen: ByteLRU[NDArray[np.float32]] = ByteLRU(CACHE)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "Detector":
        """From detector.yaml and detector.safetensors."""
        with needs("detector"):
            config = load_config(folder / "detector.yaml")
            model = load_into(build_detector(config), folder / "detector.safetensors")
        return cls(model, config, device)

    @classmethod
    def from_checkpoint(cls, path: Path, sha256: str, device: str = "cpu") -> "Detector":
        """From an ultralytics .pt, which is a pickle and may run code: only with the SHA-256 you expect."""
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != sha256.lower():
            raise SetupError(f"{path} has SHA-256 {found}, not {sha256}", "download it again")
        with needs("detector"):
            return cls(*_unpickled(data), device)

    def warm_up(self) -> None:
        """Run once on a black image."""
        self._detect([np.zeros((self._size, self._size, 3), np.uint8)])

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Objects left to right, for each request's phrases."""
        rows = self._rows({request.image: request.pixels for request in batch})
        return [self._reply(request, rows[request.image]) for request in batch]

    def _rows(self, images: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
        """What is on each image, remembered or found now."""
        known = {image: self._seen.get(image) for image in images}
        fresh = [image for image, rows in known.items() if rows is None]
        now = dict(zip(fresh, self._detect([images[image] for image in fresh]), strict=True))
        for image, rows in now.items():
            self._seen.put(image, rows, rows.nbytes)
        return known | now

    def _reply(self, request: Request, rows: Any) -> Reply:
        if not isinstance(request.action, Detect):
            raise TypeError(f"the detector cannot {request.action.kind}")
        matched = match(request.action.phrase, self.names)
        found = [self._found(row, request.image) for row in rows if int(row[5]) in matched.classes]
        found.sort(key=lambda one: one.box.xyxy[0] + one.box.xyxy[2])
        phrase = request.action.phrase
        return Reply(Detected(phrase=phrase, objects=tuple(found), unknown=matched.unknown))

    def _found(self, row: NDArray[np.float32], image: str) -> Found:
        x0, y0, x1, y1, score, index = (float(value) for value in row)
        box = Box(image=image, xyxy=(x0, y0, x1, y1))
        return Found(label=self.names[int(index)], box=box, score=score)

    def _detect(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Rows of left, top, right, bottom, score and class per image."""
        if not images:
            return []
        import torch
        from ultralytics.utils.nms import non_max_suppression

        inputs = torch.stack([self._letterboxed(image) for image in images]).to(self._device)
        with torch.inference_mode():
            raw = self._model(inputs)
        kept = non_max_suppression(
            raw, self._confidence, self._overlap, agnostic=True, nc=len(self.names)
        )
        return [self._rescaled(rows, image) for rows, image in zip(kept, images, strict=True)]

    def _letterboxed(self, image: NDArray[np.uint8]) -> Any:
        import torch
        from ultralytics.data.augment import LetterBox

        square = np.asarray(LetterBox(new_shape=(self._size, self._size))(image=image))
        return torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1))).float() / 255

    def _rescaled(self, rows: Any, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        from ultralytics.utils.ops import scale_boxes

        rows[:, :4] = scale_boxes((self._size, self._size), rows[:, :4], image.shape[:2])
        values: NDArray[np.float32] = rows.cpu().numpy()
        has_area = (values[:, 2] > values[:, 0]) & (values[:, 3] > values[:, 1])
        return values[has_area]


def _unpickled(data: bytes) -> tuple[Any, dict[str, Any]]:
    import torch

    import_ultralytics()
    saved = torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
    model = (saved.get("ema") or saved["model"]).float().eval()
    names = [model.names[index] for index in sorted(model.names)]
    size = saved.get("train_args", {}).get("imgsz", 640)
    return model, {"names": names, "image_size": size}
