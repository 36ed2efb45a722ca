"""Each specialist learns a little in a few steps, and what it exports loads as it is served."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.weights import load_state
from foveal.tools.depth import DepthEstimator
from foveal.tools.detector import Detector
from foveal.tools.segmenter import Segmenter
from foveal.training import (
    depth,
    depth_eval,
    detector,
    detector_eval,
    scenes,
    segmenter,
    segmenter_eval,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

SMALL: dict[str, Any] = {"count": 6, "warm": 3, "rate": 2e-3}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six scenes a shard, and networks a fraction of their size."""
    monkeypatch.setattr(scenes, "SHARD", 8)
    backbone = {**depth.CONFIG["model"]["backbone_config"], "hidden_size": 24}
    model = {**depth.CONFIG["model"], "backbone_config": backbone, "reassemble_hidden_size": 24}
    monkeypatch.setitem(depth.CONFIG, "model", {**model, "neck_hidden_sizes": [8, 8, 8, 8]})
    for key, value in {"embed_dim": 32, "num_heads": 2, "prompt_embed_dim": 32}.items():
        monkeypatch.setitem(segmenter.CONFIG, key, value)


def left(task: Any, rate: float, steps: int) -> float:
    """What some steps on one batch leave of the loss on it, as a share."""
    optimiser = torch.optim.AdamW(task.model.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        loss, _ = task.loss(0, 0.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.model.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses[-1] / losses[0]


def test_the_detector_learns(few: Path, tmp_path: Path) -> None:
    options = detector.DetectorOptions(scenes=few, out=tmp_path, batch=4, early_side=320, **SMALL)
    assert left(detector.Detection(options, scenes.load(few, 8)), 1e-3, 12) < 0.8


def test_depth_learns(few: Path, tmp_path: Path) -> None:
    options = depth.DepthOptions(scenes=few, out=tmp_path, batch=2, **SMALL)
    assert left(depth.DepthEstimation(options, scenes.load(few, 8)), 2e-3, 25) < 0.8


def test_the_segmenter_learns(few: Path, tmp_path: Path) -> None:
    options = segmenter.SegmenterOptions(scenes=few, out=tmp_path, batch=2, **SMALL)
    assert left(segmenter.Segmentation(options, scenes.load(few, 8)), 2e-3, 9) < 0.8


@pytest.mark.parametrize("points", [0.0, 1.0])
def test_prompts_lie_on_their_things(few: Path, points: float) -> None:
    options = segmenter.SegmenterOptions(scenes=few, points=points, **SMALL)
    task = segmenter.Segmentation(options, scenes.load(few, 8))
    for row in range(6):
        _, prompts, truth = task._sample(row, np.random.default_rng(row))
        boxed = prompts["boxes"]
        spots = boxed.reshape(-1, 2, 2).mean(dim=1) if points == 0 else prompts["points"][0][:, 0]
        columns, rows = (spots / task.side * task.cells).long().T
        inside = [float(mask[y, x]) for mask, x, y in zip(truth, columns, rows, strict=True)]
        # A point may lie on the rim; the middle of a loose or hidden box may miss.
        assert np.mean(np.array(inside) > 0) >= (1.0 if points else 0.5)


def test_a_mirrored_depth_batch_still_fits(few: Path) -> None:
    task = depth.DepthEstimation(depth.DepthOptions(scenes=few, **SMALL), scenes.load(few, 8))
    images, inverse, weights, words = task.batch(1)
    patches = images.shape[2] // depth.PATCH * (images.shape[3] // depth.PATCH)
    assert words.shape == (len(images), patches, len(depth.ASKED))
    assert images.shape[2:] == inverse.shape[1:] == weights.shape[1:]
    # Things stand before the table: on average they are nearer than the rest.
    assert inverse[weights > 1].mean() > inverse[weights == 1].mean()


Trainer = Callable[[Any], None]
ROUNDS: list[tuple[Trainer, Any, Any, Any]] = [
    (detector.train, detector.DetectorOptions, Detector, detector_eval.evaluate),
    (depth.train, depth.DepthOptions, DepthEstimator, depth_eval.evaluate),
    (segmenter.train, segmenter.SegmenterOptions, Segmenter, segmenter_eval.evaluate),
]


def test_columns_are_told_apart_from_the_start(few: Path) -> None:
    """Mirrored pictures never teach it to a network that only has to tell distances."""
    task = depth.DepthEstimation(depth.DepthOptions(scenes=few, **SMALL), scenes.load(few, 8))
    places = task.model.backbone.embeddings.position_embeddings.detach()[0, 1:]
    side = round(len(places) ** 0.5)
    grid = places.view(side, side, -1)
    assert min(grid.mean(dim=axis).std(dim=0).mean() for axis in (0, 1)) > 0.05


@pytest.mark.parametrize("asked", ["patches", "colour", "column", "row"])
def test_the_patches_of_the_depth_backbone_learn_what_and_where(
    few: Path, tmp_path: Path, asked: str
) -> None:
    """For who re-encodes through it; what reads them off is not kept."""
    options = depth.DepthOptions(scenes=few, out=tmp_path, batch=2, **SMALL)
    task = depth.DepthEstimation(options, scenes.load(few, 8))
    before = task.loss(0, 0.0)[1][asked]
    left(task, 2e-3, 40)
    assert task.loss(0, 0.0)[1][asked] < 0.9 * before
    task.export(task.model, tmp_path)
    assert not [name for name in load_state(tmp_path / "depth.safetensors") if "told" in name]


@pytest.mark.parametrize(("train", "options", "tool", "evaluate"), ROUNDS)
def test_what_is_trained_can_be_served_and_measured(
    train: Trainer, options: Any, tool: Any, evaluate: Any, few: Path, tmp_path: Path
) -> None:
    train(options(scenes=few, out=tmp_path, batch=2, steps=2, **SMALL))
    tool.from_folder(tmp_path).warm_up()
    assert evaluate(tmp_path, scenes=2)


@pytest.mark.parametrize(("train", "options", "tool", "evaluate"), ROUNDS[1:])
def test_training_twice_gives_the_same_weights(
    train: Trainer, options: Any, tool: Any, evaluate: Any, few: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        train(options(scenes=few, out=tmp_path / name, batch=2, steps=2, **SMALL))
    one, two = (sorted((tmp_path / name).glob("*.safetensors"))[0] for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_perfect_detector_scores_one() -> None:
    truth = np.array([[0, 0, 10, 10, 3], [20, 20, 40, 40, 5]], dtype=np.float64)
    rows = np.array([[20, 20, 40, 41, 0.9, 5], [0, 0, 10, 9, 0.8, 3]], dtype=np.float64)
    score = detector_eval.at([detector_eval.Found(rows, truth)], 0.5)
    assert (score["precision"], score["recall"], score["exact"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([0, 0, 10, 10, 0.9, 4], "the wrong class"),
        ([6, 0, 16, 10, 0.9, 3], "too little overlap"),
        ([0, 0, 10, 10, 0.4, 3], "under the threshold"),
    ],
)
def test_what_is_not_a_hit(row: list[float], why: str) -> None:
    truth = np.array([[0, 0, 10, 10, 3]], dtype=np.float64)
    found = detector_eval.Found(np.array([row]), truth)
    assert detector_eval.at([found], 0.5)["recall"] == 0, why


def test_a_thing_found_twice_counts_once() -> None:
    truth = np.array([[0, 0, 10, 10, 3]], dtype=np.float64)
    rows = np.array([[0, 0, 10, 10, 0.9, 3], [0, 0, 10, 9, 0.8, 3]], dtype=np.float64)
    score = detector_eval.at([detector_eval.Found(rows, truth)], 0.5)
    assert (score["recall"], score["precision"]) == (1.0, 0.5)


def test_parts_show_a_thing_and_where_it_is(few: Path) -> None:
    """Boxes are those of the masks, in the pixels of the part; the thing is neither cut off nor a speck."""
    options = segmenter.SegmenterOptions(scenes=few, **SMALL)
    task = segmenter.Segmentation(options, scenes.load(few, 8))
    rng = np.random.default_rng(0)
    for row in range(8):
        pixels, masks, boxes = task._near(row, rng)
        assert max(pixels.shape[:2]) == task.side
        assert masks[0].sum() > 0
        half = scenes.SIDE / task.side
        for mask, (x0, y0, x1, y1) in zip(masks, boxes * half, strict=True):
            ys, xs = np.nonzero(mask)
            assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)
            assert y1 <= pixels.shape[0] * half + 2
        assert max(boxes[0][2:] - boxes[0][:2]) > task.side / 7
