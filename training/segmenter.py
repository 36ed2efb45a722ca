"""The segmenter: a Segment Anything of 2.5 M parameters that outlines what is in a box on a table.

Architecture, prompts and the loss for the predicted overlap are those of Kirillov et al. (2023); masks
are learnt with cross-entropy and the soft Dice loss (Milletari et al., 2016) at the decoder's own
resolution, against the share of each cell that the thing covers, so that an outline can fall between
cells.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from foveal.agent.weights import save_state
from foveal.tools.builders import build_sam
from foveal.tools.zoom import window_of
from foveal.training.augment import recolour
from foveal.training.loop import Count, Numbers, Options, Positive, Share, fit
from foveal.training.scenes import SIDE, Scenes, load

CONFIG: dict[str, Any] = {
    "image_size": 256,
    "patch_size": 16,
    "embed_dim": 192,
    "depth": 4,
    "num_heads": 6,
    "mlp_ratio": 4,
    "window_size": 8,
    "global_attn_indexes": [3],
    "prompt_embed_dim": 96,
    "mask_in_chans": 16,
    "decoder_depth": 2,
    "decoder_mlp_dim": 256,
    "decoder_heads": 4,
    "iou_hidden_dim": 96,
    "pixel_mean": [123.675, 116.28, 103.53],
    "pixel_std": [58.395, 57.12, 57.375],
    "prompt": "box",
    "zoom": 3.0,
}
"""What segmenter.json holds."""


VISIBLE = 60
"""Pixels of a thing in a part around another, SIDE long, from which it is outlined as well."""

Framed = tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float64]]
"""Picture (h x w x 3), masks of n things (n x SIDE x SIDE, aligned top left), boxes in it (n x 4, xyxy pixels)."""

Prompts = dict[str, Any]
"""The `points` and `boxes` that a prompt encoder takes; one of them is None."""


class SegmenterOptions(Options):
    """Defaults are what the embedded weights were made with."""

    out: Path = Path("runs/segmenter")
    minutes: Positive = 28.0
    rate: Positive = 1e-3
    clip: Positive = 1.0
    batch: Count = 8
    prompts: Count = 6
    """Things asked for in each picture."""
    points: Share = 0.15
    """Share of pictures in which things are pointed at instead of boxed."""
    near: Share = 0.7
    """Share of pictures that are parts around one thing, as most targets are outlined."""


class Segmentation:
    """The task."""

    def __init__(self, options: SegmenterOptions, scenes: Scenes) -> None:
        torch.manual_seed(options.seed)
        self.options, self.scenes = options, scenes
        self.model: Any = build_sam(CONFIG).to(options.device).train()
        self.side = int(CONFIG["image_size"])
        self.cells = 4 * self.side // int(CONFIG["patch_size"])

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        rng = np.random.default_rng([self.options.seed, step])
        rows = rng.integers(len(self.scenes), size=self.options.batch)
        asked = [self._sample(int(row), rng) for row in rows]
        device = self.model.device
        images = torch.stack([self.model.preprocess(pixels.to(device)) for pixels, _, _ in asked])
        with torch.autocast(device.type, dtype=torch.bfloat16):
            seen = self.model.image_encoder(images)
            answers = [
                self._decode(e, p) for e, (_, p, _) in zip(seen.split(1), asked, strict=True)
            ]
        logits = torch.cat([mask[:, 0] for mask, _ in answers]).float()
        guesses = torch.cat([guess[:, 0] for _, guess in answers]).float()
        return _losses(logits, guesses, torch.cat([truth for _, _, truth in asked]).to(device))

    def _decode(self, embedding: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        sparse, dense = self.model.prompt_encoder(masks=None, **_moved(prompts, self.model.device))
        masks, guesses = self.model.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return masks, guesses

    def _sample(self, row: int, rng: np.random.Generator) -> tuple[Tensor, Prompts, Tensor]:
        """Picture (3 x h x w, 0..255), prompts in its pixels, covered shares (n x cells x cells, 0..1)."""
        near = rng.random() < self.options.near
        pixels, masks, boxes = self._near(row, rng) if near else self._framed(row, rng)
        if rng.random() < 0.5:
            pixels, masks, boxes = _mirrored(pixels, masks, boxes)
        if rng.random() < self.options.points:
            prompts = point_prompts(masks, self.side, rng)
        else:
            prompts = box_prompts(boxes, pixels.shape[:2], rng)
        shares = torch.from_numpy(masks[None].astype(np.float32))
        truth = functional.interpolate(shares, (self.cells, self.cells), mode="area")[0]
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float(), prompts, truth

    def _framed(self, row: int, rng: np.random.Generator) -> Framed:
        x0, y0, x1, y1 = np.round(self.scenes.content[row] * SIDE).astype(int)
        scale = self.side / SIDE
        size = (round((x1 - x0) * scale), round((y1 - y0) * scale))
        picture = Image.fromarray(self.scenes.images[row][y0:y1, x0:x1])
        pixels = recolour(np.asarray(picture.resize(size, Image.Resampling.BILINEAR)), rng)
        things = self.scenes.things[row]
        chosen = rng.permutation(np.flatnonzero(things["name"] >= 0))[: self.options.prompts]
        instances = np.zeros((SIDE, SIDE), dtype=np.uint8)
        instances[: y1 - y0, : x1 - x0] = self.scenes.instances[row][y0:y1, x0:x1]
        masks = instances[None] == (chosen + 1)[:, None, None].astype(np.uint8)
        boxes = (things["box"][chosen] - np.array([x0, y0, x0, y0])) * scale
        return pixels, masks, boxes.astype(np.float64)

    def _near(self, row: int, rng: np.random.Generator) -> Framed:
        """A part of the picture as it was drawn, around one of its things, and whatever else shows in it."""
        things, scale = self.scenes.things[row], self.side / SIDE
        height, width = self.scenes.masks[row].shape
        first = int(rng.choice(np.flatnonzero(things["name"] >= 0)))
        zoom = float(CONFIG["zoom"]) * rng.uniform(0.7, 1.5)
        x0, y0, x1, y1 = window_of(tuple(things["xyxy"][first]), width, height, zoom)
        square = SIDE / max(x1 - x0, y1 - y0)
        instances = _resized(self.scenes.masks[row][y0:y1, x0:x1], square, Image.Resampling.NEAREST)
        picture = self.scenes.pictures[row][y0:y1, x0:x1]
        pixels = recolour(_resized(picture, square * scale, Image.Resampling.BILINEAR), rng)
        seen = np.bincount(instances.ravel(), minlength=len(things) + 1)[1 : len(things) + 1]
        others = np.flatnonzero((seen >= VISIBLE) & (np.arange(len(things)) != first))
        chosen = np.array([first, *rng.permutation(others)[: self.options.prompts - 1]])
        whole = np.zeros((SIDE, SIDE), dtype=np.uint8)
        whole[: instances.shape[0], : instances.shape[1]] = instances
        masks = whole[None] == (chosen + 1)[:, None, None].astype(np.uint8)
        boxes = np.array([_extent(mask) for mask in masks]) * scale
        return pixels, masks, boxes

    def export(self, model: Any, out: Path) -> None:
        import json

        save_state(model.state_dict(), out / "segmenter.safetensors")
        (out / "segmenter.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")


def _resized(values: NDArray[np.uint8], scale: float, how: Image.Resampling) -> NDArray[np.uint8]:
    high, wide = (min(SIDE, max(1, round(side * scale))) for side in values.shape[:2])
    return np.asarray(Image.fromarray(values).resize((wide, high), how))


def _extent(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box around what is set; where a thing has vanished in resizing, a pixel in the middle."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        middle = len(mask) / 2
        return middle, middle, middle + 1, middle + 1
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _moved(prompts: Prompts, device: torch.device) -> Prompts:
    points, boxes = prompts["points"], prompts["boxes"]
    return {
        "points": points and tuple(part.to(device) for part in points),
        "boxes": None if boxes is None else boxes.to(device),
    }


def _mirrored(
    pixels: NDArray[np.uint8], masks: NDArray[np.bool_], boxes: NDArray[np.float64]
) -> Framed:
    """Mirrored within the picture's own width, so that the padding stays on the right."""
    width = pixels.shape[1]
    wide = round(width * SIDE / CONFIG["image_size"])
    masks[:, :, :wide] = masks[:, :, :wide][:, :, ::-1].copy()
    x0, y0, x1, y1 = boxes.T
    return pixels[:, ::-1], masks, np.stack([width - x1, y0, width - x0, y1], axis=1)


def box_prompts(
    boxes: NDArray[np.float64], shape: tuple[int, ...], rng: np.random.Generator
) -> Prompts:
    """Boxes with edges a little off, as a detector's are; one in eight far too large, as a grid region is."""
    extent = boxes[:, 2:] - boxes[:, :2]
    spread = np.concatenate([extent, extent], axis=1)
    off = rng.normal(0, 0.04, boxes.shape).clip(-0.12, 0.12) * spread
    loose = rng.random((len(boxes), 1)) < 0.125
    off = np.where(loose, rng.uniform(0.0, 0.5, boxes.shape) * spread * [-1, -1, 1, 1], off)
    limits = np.array([shape[1], shape[0]] * 2)
    return {"points": None, "boxes": torch.from_numpy((boxes + off).clip(0, limits)).float()}


def point_prompts(masks: NDArray[np.bool_], side: int, rng: np.random.Generator) -> Prompts:
    """One point on each thing, anywhere."""
    spots = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        pick = rng.integers(len(rows))
        spots.append([columns[pick] + 0.5, rows[pick] + 0.5])
    places = torch.tensor(np.array(spots) * side / SIDE, dtype=torch.float32)[:, None]
    return {"points": (places, torch.ones(len(spots), 1, dtype=torch.int)), "boxes": None}


def _losses(logits: Tensor, guesses: Tensor, truth: Tensor) -> tuple[Tensor, Numbers]:
    """Of n masks (n x cells x cells, logits) and the overlaps the model expects of them (n)."""
    # Nearly all cells are empty: weigh each mask's error by the size of its thing, not of the picture.
    area = truth.sum(dim=(1, 2))
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(
        dim=(1, 2)
    )
    entropy = (entropy / (area + 4)).mean()
    share = logits.sigmoid()
    both = (share * truth).sum(dim=(1, 2))
    dice = (1 - (2 * both + 1) / (share.sum(dim=(1, 2)) + area + 1)).mean()
    overlap = _overlap(logits > 0, truth > 0.5)
    guess = functional.mse_loss(guesses, overlap)
    numbers = {"entropy": entropy, "dice": dice, "iou": overlap.mean(), "guess": guess}
    return entropy + dice + guess, {k: round(float(v.detach()), 4) for k, v in numbers.items()}


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    both, either = (a & b).sum(dim=(1, 2)), (a | b).sum(dim=(1, 2))
    return both / either.clamp(1)


def train(options: SegmenterOptions) -> None:
    """Train the segmenter and write segmenter.safetensors and segmenter.json into `options.out`."""
    torch.set_num_threads(options.threads)
    fit(
        Segmentation(options, load(options.scenes, options.count, workers=options.workers)), options
    )
