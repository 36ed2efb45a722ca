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

from foveal.agent.grammar import X_TOKENS, Y_TOKENS
from foveal.agent.weights import save_state
from foveal.tools.builders import build_depth
from foveal.training.augment import recolour
from foveal.training.glimpses import ENOUGH, mostly
from foveal.training.loop import NotNegative, Numbers, Options, Positive, fit
from foveal.training.meanings import FROM_AFAR, places
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
ASKED = {
    **{name: 1 + len(words) for name, words in FROM_AFAR.items()},
    "column": len(X_TOKENS),
    "row": len(Y_TOKENS),
}
"""What the backbone's patches are asked for besides distances, and how many answers there are."""
WAVES, LOUD = 6, 0.1
"""Cosines that tell places apart, and how loudly each does beside what a patch shows."""


class DepthOptions(Options):
    """Defaults are the recipe; `weights/README.md` tells where the embedded weights departed from it."""

    out: Path = Path("runs/depth")
    minutes: Positive = 28.0
    rate: Positive = 1e-3
    clip: Positive = 1.0
    weight: NotNegative = 6.0
    """How much more a pixel of a thing counts than one of the table."""
    words: NotNegative = 0.1
    """How much each word that patches are asked for counts beside distances."""


class DepthEstimation:
    """The task."""

    def __init__(self, options: DepthOptions, scenes: Scenes) -> None:
        torch.manual_seed(options.seed)
        self.options, self.scenes = options, scenes
        self.model: Any = build_depth(CONFIG).train()
        # Both make a step on a processor faster; neither changes what is learnt.
        self.model = self.model.to(memory_format=torch.channels_last)
        self.model.set_attn_implementation("eager")
        _place(self.model.backbone.embeddings.position_embeddings)
        hidden = CONFIG["model"]["backbone_config"]["hidden_size"]
        # Learns beside the network, and is not kept.
        self.model.told = torch.nn.Linear(hidden, 1 + sum(ASKED.values()))
        # The last layer is a ReLU: start on its living side.
        torch.nn.init.constant_(self.model.head.conv3.bias, 0.6)
        self.mean, self.std = (torch.tensor(CONFIG[key])[:, None, None] for key in ("mean", "std"))
        shapes = np.round((scenes.content[:, 2:] - scenes.content[:, :2]) * SIZE).astype(int)
        # Drawings have no depth to learn.
        shapes[scenes.flat] = -1
        kinds = np.unique(shapes[~scenes.flat], axis=0)
        self.groups = [np.flatnonzero((shapes == kind).all(axis=1)) for kind in kinds]

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        drawn = (part.to(self.options.device) for part in self.batch(step))
        images, inverse, weights, asked = drawn
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            seen, told = self._seen(images)
        error = ((seen.float() - inverse).abs() * weights).sum() / weights.sum()
        steps = _steepness(seen.float() - inverse)
        distances, *words = told.float().split([1, *ASKED.values()], dim=-1)
        wanted = functional.avg_pool2d(inverse, PATCH).flatten(1)
        patches = (distances[..., 0] - wanted).abs().mean()
        said = [_said(scores, asked[..., n]) for n, scores in enumerate(words)]
        numbers = {"error": error, "patches": patches} | dict(zip(ASKED, said, strict=True))
        told_right = {name: round(float(value.detach()), 4) for name, value in numbers.items()}
        return error + 0.5 * steps + 0.5 * patches + self.options.words * sum(said), told_right

    def _seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse depth (B x h x w), and what the last features of every patch tell (B x patches x answers).

        Left to itself a network this small keeps distances in its head and forgets what it saw where. DINOv2,
        for which its backbone stands, knows both; whoever re-encodes through it would learn nothing.
        """
        rows, columns = (side // PATCH for side in images.shape[2:])
        maps = self.model.backbone(images).feature_maps
        depth = self.model.head(self.model.neck(list(maps), rows, columns), rows, columns)
        return depth, self.model.told(maps[-1][:, 1:])

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalised pictures (B x 3 x h x w), inverse depth (B x h x w, 1 / metres), pixel weights (same), words.

        Words (B x patches x 4) are what each patch is asked, in the order of `ASKED`. All pictures of a
        batch have the same shape.
        """
        rng = np.random.default_rng([self.options.seed, step])
        sizes = np.array([len(group) for group in self.groups])
        group = self.groups[rng.choice(len(sizes), p=sizes / sizes.sum())]
        rows = [self._sample(int(row), rng) for row in rng.choice(group, self.options.batch)]
        images, depth, things, words = (
            torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)
        )
        pixels = (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        weights = 1 + self.options.weight * (things > 0).float()
        return pixels, 1 / depth.float().clamp(0.2), weights, words

    def _sample(
        self, row: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]:
        """Picture (h x w x 3), metres (h x w), the thing at every pixel (h x w) and words (patches x 4)."""
        content = self.scenes.content[row]
        size = tuple(np.round((content[2:] - content[:2]) * SIZE).astype(int).tolist())
        image = Image.fromarray(_part(self.scenes.images[row], content, SIDE))
        pixels = recolour(
            np.asarray(image.resize((size[0], size[1]), Image.Resampling.BICUBIC)), rng
        )
        depth = _nearest(
            _part(self.scenes.depth[row], content, DEPTH_SIDE).astype(np.float32), size
        )
        inside = _nearest(_part(self.scenes.instances[row], content, SIDE), size)
        if rng.random() < 0.5:
            pixels, depth, inside = pixels[:, ::-1], depth[:, ::-1], inside[:, ::-1]
        return pixels.copy(), depth.copy(), inside.copy(), self._words(row, inside)

    def _words(self, row: int, inside: NDArray[np.uint8]) -> NDArray[np.int64]:
        """What is true of each patch; 0 is the answer where no thing is."""
        which = mostly(inside, PATCH, ENOUGH["colour"])
        things = self.scenes.things[row]
        columns, rows = places((inside.shape[0] // PATCH, inside.shape[1] // PATCH))
        seen = [np.where(which >= 0, things[name].astype(np.int64)[which] + 1, 0)
                for name in FROM_AFAR]  # fmt: skip
        return np.stack([*seen, columns.numpy(), rows.numpy()], axis=-1)

    def export(self, model: Any, out: Path) -> None:
        import json

        kept = {k: v for k, v in model.state_dict().items() if not k.startswith("told.")}
        save_state(kept, out / "depth.safetensors")
        (out / "depth.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")


def _place(positions: Tensor) -> None:
    """Let position embeddings (1, 1 + side * side, hidden) tell columns and rows from the start.

    Distances ask for rows alone, and since pictures are mirrored, what tells columns apart would never arise.
    """
    side, hidden = round((positions.shape[1] - 1) ** 0.5), positions.shape[2]
    waves = torch.outer(torch.arange(1, WAVES + 1), torch.pi * (torch.arange(side) + 0.5) / side)
    columns, rows = (waves.cos().T @ torch.randn(WAVES, hidden) * LOUD for _ in range(2))
    with torch.no_grad():
        positions[0, 1:] += (rows[:, None] + columns[None]).flatten(0, 1)


def _said(scores: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy of one answer per patch (B x patches x answers)."""
    return functional.cross_entropy(scores.flatten(0, 1), wanted.flatten())


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
