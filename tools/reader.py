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
SMALL_CROP, SMALL_IMAGE = 256, 512
"""Pixels that the shorter side is enlarged to, at most ENLARGE times: six times as fast as RapidOCR's own 736
on crops, and as exact on signs."""
ENLARGE = 4.0
OPTIONS = {"Global.log_level": "critical", "Det.limit_side_len": 32}
"""No messages, and no enlarging by RapidOCR itself."""
LONGEST = 1600
"""Pixels that enlarging stops at."""
THINNEST = 4
"""The longer side over the shorter, at most; thinner crops are padded."""

Pixels = NDArray[np.uint8]


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
            engine = rapidocr.RapidOCR(params=OPTIONS | _weights(models))
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
        if request.marks:
            area = grown(request.marks[0].box.xyxy, width, height, MARGIN)
            lines = self._lines(request, area, SMALL_CROP)
        else:
            lines = self._lines(request, (0, 0, width, height), SMALL_IMAGE)
        return Reply(Recognised(lines=tuple(in_reading_order(lines))))

    def _lines(self, request: Request, area: tuple[int, int, int, int], small: int) -> list[Line]:
        x0, y0, x1, y1 = area
        crop, scale = _enlarged(request.pixels[y0:y1, x0:x1], small)
        found = self._engine(np.ascontiguousarray(crop[:, :, ::-1]))  # RapidOCR expects BGR
        if found.boxes is None or found.txts is None:
            return []
        return [
            Line(
                text=text,
                box=_box(corners / scale + (x0, y0), request.image, area),
                score=float(score),
            )
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


def _enlarged(crop: Pixels, small: int) -> tuple[Pixels, float]:
    """The crop as the recogniser likes it, and how many of its pixels stand for one of the crop's."""
    height, width = crop.shape[:2]
    scale = min(small / min(height, width), ENLARGE, LONGEST / max(height, width))
    if scale > 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        crop = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    return _thickened(crop), max(scale, 1.0)


def _thickened(crop: Pixels) -> Pixels:
    """Strips padded to the right or below: the text detector enlarges by the shorter side."""
    height, width = crop.shape[:2]
    missing = (max(width // THINNEST - height, 0), max(height // THINNEST - width, 0))
    if not any(missing):
        return crop
    return np.pad(crop, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")


def _box(corners: NDArray[np.float64], image: str, area: tuple[int, int, int, int]) -> Box:
    """The upright box around four corners, inside the area that was read."""
    left, top, right, bottom = area
    x0, y0 = np.clip(corners.min(axis=0), (left, top), (right - 1, bottom - 1))
    x1, y1 = np.clip(corners.max(axis=0), (x0 + 1, y0 + 1), (right, bottom))
    return Box(image=image, xyxy=(float(x0), float(y0), float(x1), float(y1)))


def _weights(models: Path) -> dict[str, Any]:
    """Explicit paths: without them RapidOCR downloads what it misses."""
    names = {"Det": "*_det_*.onnx", "Cls": "*_cls_*.onnx", "Rec": "*_rec_*.onnx"}
    found = {part: sorted(models.glob(pattern)) for part, pattern in names.items()}
    missing = [part for part, paths in found.items() if not paths]
    if missing:
        problem = f"RapidOCR's packaged weights are missing ({', '.join(missing)})"
        raise SetupError(problem, "pip install --force-reinstall rapidocr")
    return {f"{part}.model_path": str(paths[0]) for part, paths in found.items()}
