"""Depth: a Depth-Anything of 2.3 M parameters that tells near from far on a table.

Trained to give inverse depth (1 / metres), as its larger relatives do (Yang et al., 2024). Here the
truth is known, so it is regressed directly; pixels of things count more than the table and the wall,
because things are asked about.
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
from foveal.tools.builders import build_depth
from foveal.training.augment import recolour
from foveal.training.loop import NotNegative, Numbers, Options, Positive, fit
from foveal.training.scenes import DEPTH_SIDE, SIDE, Scenes, load

SIZE, PATCH = 168, 14
"""Pixels of the longer side of a picture, and of a patch."""

CONFIG: dict[str, Any] = {
    "image_size": SIZE,
    "polarity": "near_high",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "model": {
        "backbone_config": {
            "model_type": "dinov2",
            "hidden_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "mlp_ratio": 4,
            "image_size": SIZE,
            "patch_size": PATCH,
            "out_indices": [1, 2, 3, 4],
            "reshape_hidden_states": False,
        },
        "patch_size": PATCH,
        "reassemble_hidden_size": 192,
        "reassemble_factors": [4, 2, 1, 0.5],
        "neck_hidden_sizes": [32, 48, 64, 96],
        "fusion_hidden_size": 32,
        "head_hidden_size": 16,
        "depth_estimation_type": "relative",
        "max_depth": 1,
    },
}
"""What depth.json holds."""


class DepthOptions(Options):
    """Defaults are the recipe; `weights/README.md` tells where the embedded weights departed from it."""

    out: Path = Path("runs/depth")
    minutes: Positive = 28.0
    rate: Positive = 1e-3
    clip: Positive = 1.0
    weight: NotNegative = 6.0
    """How much more a pixel of a thing counts than one of the table."""


class DepthEstimation:
    """The task."""

    def __init__(self, options: DepthOptions, scenes: Scenes) -> None:
        torch.manual_seed(options.seed)
        self.options, self.scenes = options, scenes
        self.model: Any = build_depth(CONFIG).train()
        # Both make a step on a processor faster; neither changes what is learnt.
        self.model = self.model.to(memory_format=torch.channels_last)
        self.model.set_attn_implementation("eager")
        hidden = CONFIG["model"]["backbone_config"]["hidden_size"]
        self.model.told = torch.nn.Linear(hidden, 1)  # learns beside the network, and is not kept
        # The last layer is a ReLU: start on its living side.
        torch.nn.init.constant_(self.model.head.conv3.bias, 0.6)
        self.mean, self.std = (torch.tensor(CONFIG[key])[:, None, None] for key in ("mean", "std"))
        shapes = np.round((scenes.content[:, 2:] - scenes.content[:, :2]) * SIZE).astype(int)
        # Drawings have no depth to learn.
        shapes[scenes.flat] = -1
        kinds = np.unique(shapes[~scenes.flat], axis=0)
        self.groups = [np.flatnonzero((shapes == kind).all(axis=1)) for kind in kinds]

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        images, inverse, weights = (part.to(self.options.device) for part in self.batch(step))
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            seen, told = self._seen(images)
        error = ((seen.float() - inverse).abs() * weights).sum() / weights.sum()
        steps = _steepness(seen.float() - inverse)
        patches = (told.float() - functional.avg_pool2d(inverse, PATCH).flatten(1)).abs().mean()
        numbers = {"error": float(error.detach()), "patches": float(patches.detach())}
        return error + 0.5 * steps + 0.5 * patches, {k: round(v, 4) for k, v in numbers.items()}

    def _seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse depth (B x h x w), and the same of every patch (B x patches) as its last features tell it.

        Left to itself a network this small keeps distances in its head, and whoever re-encodes through its
        backbone would learn nothing of them.
        """
        rows, columns = (side // PATCH for side in images.shape[2:])
        maps = self.model.backbone(images).feature_maps
        depth = self.model.head(self.model.neck(list(maps), rows, columns), rows, columns)
        return depth, self.model.told(maps[-1][:, 1:])[..., 0]

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised pictures (B x 3 x h x w), inverse depth (B x h x w, 1 / metres) and pixel weights (same).

        All pictures of a batch have the same shape.
        """
        rng = np.random.default_rng([self.options.seed, step])
        sizes = np.array([len(group) for group in self.groups])
        group = self.groups[rng.choice(len(sizes), p=sizes / sizes.sum())]
        rows = [self._sample(int(row), rng) for row in rng.choice(group, self.options.batch)]
        images, depth, things = (
            torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)
        )
        pixels = (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        return pixels, 1 / depth.float().clamp(0.2), 1 + self.options.weight * things.float()

    def _sample(
        self, row: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
        """Picture (h x w x 3), metres (h x w) and where things are (h x w)."""
        content = self.scenes.content[row]
        size = tuple(np.round((content[2:] - content[:2]) * SIZE).astype(int).tolist())
        image = Image.fromarray(_part(self.scenes.images[row], content, SIDE))
        pixels = recolour(
            np.asarray(image.resize((size[0], size[1]), Image.Resampling.BICUBIC)), rng
        )
        depth = _nearest(
            _part(self.scenes.depth[row], content, DEPTH_SIDE).astype(np.float32), size
        )
        inside = _nearest(_part(self.scenes.instances[row], content, SIDE), size) > 0
        if rng.random() < 0.5:
            pixels, depth, inside = pixels[:, ::-1], depth[:, ::-1], inside[:, ::-1]
        return pixels.copy(), depth.copy(), inside.copy()

    def export(self, model: Any, out: Path) -> None:
        import json

        kept = {k: v for k, v in model.state_dict().items() if not k.startswith("told.")}
        save_state(kept, out / "depth.safetensors")
        (out / "depth.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")


def _part(square: NDArray[Any], content: NDArray[np.float32], side: int) -> NDArray[Any]:
    x0, y0, x1, y1 = np.round(content * side).astype(int)
    return square[y0:y1, x0:x1]


def _nearest(values: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    return np.asarray(Image.fromarray(values).resize((size[0], size[1]), Image.Resampling.NEAREST))


def _steepness(error: Tensor) -> Tensor:
    """Mean absolute slope of the error at three scales, which keeps edges sharp (MiDaS, Ranftl et al., 2020)."""
    total = error.new_zeros(())
    for stride in (1, 2, 4):
        coarse = error[:, ::stride, ::stride]
        total = total + coarse.diff(dim=1).abs().mean() + coarse.diff(dim=2).abs().mean()
    return total / 3


def train(options: DepthOptions) -> None:
    """Train the depth estimator and write depth.safetensors and depth.json into `options.out`."""
    torch.set_num_threads(options.threads)
    fit(
        DepthEstimation(options, load(options.scenes, options.count, workers=options.workers)),
        options,
    )
