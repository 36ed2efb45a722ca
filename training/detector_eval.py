"""How good the detector is: what it finds in scenes it was not trained on, as it is served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.agent.weights import load_config, load_into
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.evals.vocabulary import label
from foveal.tools.builders import build_detector
from foveal.tools.quiet import import_ultralytics
from foveal.training.loop import Numbers
from foveal.training.scenes import NAMES, letterbox

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """One scene, boxes xyxy in pixels of its picture.

    `detections`: n x 6 (box, score, class) by falling score. `truth`: m x 5 (box, class).
    """

    detections: Floats
    truth: Floats


def evaluate(folder: Path, scenes: int = 200, split: Split = "val") -> Numbers:
    """mAP at IoU 0.5, and precision, recall and the share of wholly right scenes at the stored threshold."""
    settings = load_config(folder / "detector.yaml")
    model = load_into(build_detector(settings), folder / "detector.safetensors")
    found = list(run(model, settings, scenes, split))
    return {"mAP50": average_precision(found), **at(found, settings["conf"])}


def run(model: Any, settings: dict[str, Any], scenes: int, split: Split) -> Iterator[Found]:
    """Detect in the first scenes of a split, keeping everything above a very low score."""
    for number in range(scenes):
        world = scene(number, split, size_of(number, split))
        truth = [[*t.box, NAMES.index(label(t.colour, t.shape))] for t in world.things]
        yield Found(detect(model, world.image, settings, 0.01), np.array(truth, dtype=np.float64))


@torch.no_grad()
def detect(model: Any, image: NDArray[np.uint8], settings: dict[str, Any], conf: float) -> Floats:
    """Detections n x 6 in one picture (H x W x 3, RGB): xyxy in its pixels, score, class; by falling score."""
    import cv2

    import_ultralytics()
    from ultralytics.utils.nms import non_max_suppression

    side = settings["image_size"]
    height, width = image.shape[:2]
    scale, left, top, wide, high = letterbox(side, width, height)
    square = np.full((side, side, 3), 114, dtype=np.uint8)
    square[top : top + high, left : left + wide] = cv2.resize(image, (wide, high))
    batch = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
    kept = non_max_suppression(model(batch), conf, settings["iou"], agnostic=True)[0]
    found = kept.double().numpy()
    found[:, :4] = (found[:, :4] - [left, top, left, top]) / scale
    return np.asarray(found, dtype=np.float64)


def overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union, n x m, of boxes n x 4 and m x 4 (xyxy)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes = [np.prod(x[:, 2:4] - x[:, :2], axis=1) for x in (a, b)]
    return np.asarray(both / (sizes[0][:, None] + sizes[1][None] - both), dtype=np.float64)


def hits(found: Found, conf: float) -> NDArray[np.bool_]:
    """For each detection above the threshold, whether it names and frames a thing nobody claimed before."""
    rows = found.detections[found.detections[:, 4] >= conf]
    fits = overlap(rows, found.truth) * (rows[:, 5:6] == found.truth[None, :, 4])
    right = np.zeros(len(rows), dtype=np.bool_)
    for row in range(len(rows)):
        best = int(np.argmax(fits[row]))
        if fits[row, best] >= 0.5:
            right[row] = True
            fits[:, best] = 0
    return right


def at(found: Sequence[Found], conf: float) -> Numbers:
    """Precision, recall and the share of scenes without any mistake, at one threshold."""
    right = [hits(f, conf) for f in found]
    good, said = sum(int(r.sum()) for r in right), sum(len(r) for r in right)
    things = sum(len(f.truth) for f in found)
    exact = sum(bool(r.all()) and len(r) == len(f.truth) for r, f in zip(right, found, strict=True))
    return {
        "conf": conf,
        "precision": good / max(1, said),
        "recall": good / things,
        "exact": exact / len(found),
        "things": things,
        "scenes": len(found),
    }


def best_threshold(found: Sequence[Found]) -> float:
    """The threshold at which most scenes come out wholly right; ties go to the better F1."""
    rows = [at(found, conf) for conf in np.arange(0.15, 0.75, 0.025).round(3).tolist()]
    return max(rows, key=lambda r: (r["exact"], r["precision"] * r["recall"]))["conf"]


def average_precision(found: Sequence[Found]) -> float:
    """Mean over classes of the area under the interpolated precision-recall curve at IoU 0.5."""
    import_ultralytics()
    from ultralytics.utils.metrics import ap_per_class

    right = np.concatenate([hits(f, 0.0) for f in found])[:, None]
    rows = np.concatenate([f.detections for f in found])
    truth = np.concatenate([f.truth for f in found])
    return float(ap_per_class(right, rows[:, 4], rows[:, 5], truth[:, 4])[5].mean())
