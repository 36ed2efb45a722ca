"""Boxes, masks and labels as a transparent picture that lies over the image; supervision draws them.

One picture per action would repeat the image's pixels each time. So only the drawing is kept: it is made once on
black and once on white, and from the difference follows how much of it covers what is underneath.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.page.ink import COLOURS, Stroke
from foveal.tools.extras import needs

if TYPE_CHECKING:
    from supervision import Detections

CANVAS = 1200
"""Pixels of a drawing's longer side: lines and letters are as sharp on a small image as on a large one."""
WASH = 0.38
"""How much of the image a mask covers."""

Scene = NDArray[np.uint8]


def drawn(strokes: Sequence[Stroke], size: tuple[int, int]) -> Image.Image:
    """RGBA, transparent where nothing is drawn, in the proportions of an image of this width and height."""
    scale = CANVAS / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    black, white = (
        _on(np.full((height, width, 3), level, np.uint8), strokes, scale).astype(np.float32)
        for level in (0, 255)
    )
    cover = 1 - np.clip((white - black).mean(axis=2, keepdims=True) / 255, 0, 1)
    colour = black / np.maximum(cover, 1e-3)
    rgba = np.concatenate([colour[:, :, ::-1], cover * 255], axis=2)  # supervision draws in BGR
    return Image.fromarray(np.clip(np.rint(rgba), 0, 255).astype(np.uint8), "RGBA")


def _on(scene: Scene, strokes: Sequence[Stroke], scale: float) -> Scene:
    """The scene with everything drawn on it, each kind in its colour."""
    for kind in dict.fromkeys(stroke.kind for stroke in strokes):
        same = [stroke for stroke in strokes if stroke.kind == kind]
        scene = _annotated(scene, same, scale, COLOURS[kind])
    return scene


def _annotated(scene: Scene, strokes: Sequence[Stroke], scale: float, colour: str) -> Scene:
    with needs("page"):
        import supervision as sv

    ink, found = sv.Color.from_hex(colour), _detections(strokes, scale)
    if any(stroke.mask is not None for stroke in strokes):
        height, width = scene.shape[:2]
        masks = [_spread(one, scale, (height, width)) for one in strokes]
        masked = sv.Detections(xyxy=found.xyxy, mask=np.stack(masks), class_id=found.class_id)
        scene = sv.MaskAnnotator(ink, opacity=WASH).annotate(scene, masked)
        scene = sv.PolygonAnnotator(ink, thickness=3).annotate(scene, masked)
    scene = sv.BoxAnnotator(ink, thickness=5).annotate(scene, found)
    named = [stroke for stroke in strokes if stroke.label]
    if not named:
        return scene
    writer = sv.RichLabelAnnotator(
        ink, font_size=CANVAS // 32, text_padding=8, border_radius=6, smart_position=True
    )
    labels = [stroke.label for stroke in named]
    return np.asarray(writer.annotate(scene, _detections(named, scale), labels))


def _detections(strokes: Sequence[Stroke], scale: float) -> "Detections":
    """The boxes on the canvas, as supervision takes them."""
    import supervision as sv

    boxes = np.array([stroke.xyxy for stroke in strokes], np.float64) * scale
    return sv.Detections(xyxy=boxes, class_id=np.zeros(len(strokes), int))


def _spread(stroke: Stroke, scale: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a stroke on the whole canvas; empty where it has none."""
    whole = np.zeros(size, bool)
    if stroke.mask is None:
        return whole
    x0, y0, x1, y1 = (max(0, round(side * scale)) for side in stroke.xyxy)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    inside = np.asarray(stroke.mask.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC)) > 127
    part = whole[y0:y1, x0:x1]
    part[:] = inside[: part.shape[0], : part.shape[1]]
    return whole
