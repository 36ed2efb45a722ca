"""Read: RapidOCR with the PP-OCR weights of its own wheel, on any photograph and without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Read
from foveal.agent.errors import SetupError
from foveal.agent.observations import Box, Line, Recognised
from foveal.agent.regions import grown
from foveal.tools.base import Reply, Request
from foveal.tools.extras import needs

MARGIN = 0.1
"""Of the target's size, on every side: letters at its edge stay whole."""
SMALL = 320
"""Crops whose shorter side has fewer pixels are enlarged towards this, at most ENLARGE times."""
ENLARGE = 4.0


class Reader:
    """Reads text."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @classmethod
    def packaged(cls) -> "Reader":
        """With the weights that come with RapidOCR."""
        with needs("ocr"):
            import rapidocr

            models = Path(rapidocr.__file__).parent / "models"
            engine = rapidocr.RapidOCR(params={"Global.log_level": "critical", **_weights(models)})
        return cls(engine)

    def warm_up(self) -> None:
        """Read a white picture."""
        self._engine(np.full((64, 64, 3), 255, np.uint8))

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Lines of text, top to bottom, in pixels of the original image."""
        return [self._reply(request) for request in batch]

    def _reply(self, request: Request) -> Reply:
        if not isinstance(request.action, Read) or len(request.marks) > 1:
            raise TypeError(f"the reader needs at most one target to read, got {request.action!r}")
        height, width = request.pixels.shape[:2]
        area = (0, 0, width, height)
        if request.marks:
            area = grown(request.marks[0].box.xyxy, width, height, MARGIN)
        return Reply(Recognised(lines=tuple(in_reading_order(self._lines(request, area)))))

    def _lines(self, request: Request, area: tuple[int, int, int, int]) -> list[Line]:
        x0, y0, x1, y1 = area
        crop, scale = _enlarged(request.pixels[y0:y1, x0:x1])
        found = self._engine(np.ascontiguousarray(crop[:, :, ::-1]))  # RapidOCR expects BGR
        if found.boxes is None or found.txts is None:
            return []
        return [
            Line(text=text, box=_box(corners / scale + (x0, y0), request), score=float(score))
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]


def in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """Row by row from the top; lines whose middle lies within one another's height share a row, left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=_middle):
        if (
            rows
            and _middle(line) < rows[-1][0].box.xyxy[3]
            and _middle(rows[-1][0]) > line.box.xyxy[1]
        ):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: one.box.xyxy[0])]


def _middle(line: Line) -> float:
    return (line.box.xyxy[1] + line.box.xyxy[3]) / 2


def _enlarged(crop: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    height, width = crop.shape[:2]
    scale = min(max(SMALL / min(height, width), 1.0), ENLARGE)
    if scale == 1.0:
        return crop, scale
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    enlarged = Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(enlarged), scale


def _box(corners: NDArray[np.float64], request: Request) -> Box:
    """The upright box around four corners, inside the image."""
    height, width = request.pixels.shape[:2]
    x0, y0 = np.clip(corners.min(axis=0), 0, (width - 1, height - 1))
    x1, y1 = np.clip(corners.max(axis=0), (x0 + 1, y0 + 1), (width, height))
    return Box(image=request.image, xyxy=(float(x0), float(y0), float(x1), float(y1)))


def _weights(models: Path) -> dict[str, Any]:
    """Explicit paths: without them RapidOCR downloads what it misses."""
    names = {"Det": "*_det_*.onnx", "Cls": "*_cls_*.onnx", "Rec": "*_rec_*.onnx"}
    found = {part: sorted(models.glob(pattern)) for part, pattern in names.items()}
    missing = [part for part, paths in found.items() if not paths]
    if missing:
        problem = f"RapidOCR's packaged weights are missing ({', '.join(missing)})"
        raise SetupError(problem, "pip install --force-reinstall rapidocr")
    return {f"{part}.model_path": str(paths[0]) for part, paths in found.items()}
