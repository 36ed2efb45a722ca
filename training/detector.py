"""The detector: an ultralytics YOLO of 2.6 M parameters that names every thing on a table or in a drawing.

The network, the loss and the assignment of boxes are ultralytics' own (YOLO11; task-aligned
assignment, Feng et al., 2021); the loop is ours, because it must fit a clock. Pictures are smaller in
the first part of the budget (progressive resizing), which a convolutional network does not mind.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from foveal.agent.weights import save_state
from foveal.tools.builders import build_detector
from foveal.tools.quiet import import_ultralytics
from foveal.training.augment import Sample, jitter, move
from foveal.training.composing import composed
from foveal.training.loop import Numbers, Options, Positive, Share, fit
from foveal.training.scenes import NAMES, SIDE, Scenes, load


class DetectorOptions(Options):
    """Defaults are the recipe of the embedded weights, whose own run was longer: their card tells."""

    out: Path = Path("runs/detector")
    minutes: Positive = 170.0
    rate: Positive = 2e-3
    early_side: Annotated[int, Field(gt=0, multiple_of=32)] = 384
    """Pixels of the letterboxed picture in the first part of the budget; a multiple of 32."""
    early: Share = 0.36
    """How large that part is, 0 to 1."""
    conf: Share = 0.25
    """Score threshold written into the configuration."""


def config(conf: float) -> dict[str, Any]:
    """What detector.yaml holds: the stock YOLO11 nano and how to use it."""
    import_ultralytics()
    import yaml
    from ultralytics.utils import ROOT

    text = (Path(ROOT) / "cfg/models/11/yolo11.yaml").read_text(encoding="utf-8")
    stock = yaml.safe_load(text)
    return {
        "nc": len(NAMES),
        "scale": "n",
        "scales": {"n": stock["scales"]["n"]},
        "names": list(NAMES),
        "image_size": SIDE,
        "conf": conf,
        "iou": 0.6,
        "backbone": stock["backbone"],
        "head": stock["head"],
    }


class Detection:
    """The task."""

    def __init__(self, options: DetectorOptions, scenes: Scenes) -> None:
        import_ultralytics()
        from ultralytics.cfg import get_cfg

        torch.manual_seed(options.seed)
        self.options, self.scenes = options, scenes
        self.model: Any = build_detector(config(options.conf)).train()
        self.model = self.model.to(options.device, memory_format=torch.channels_last)
        self.model.args = get_cfg(overrides={"cls": 1.0})
        self.criterion = self.model.init_criterion()

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        side = self.options.early_side if progress < self.options.early else SIDE
        batch = {k: v.to(self.options.device) for k, v in self.batch(step, side).items()}
        with torch.autocast(batch["img"].device.type, dtype=torch.bfloat16):
            seen = self.model(batch["img"].contiguous(memory_format=torch.channels_last))
        # Boxes are decoded in single precision: half a cell is more than bfloat16 resolves.
        exact = {k: v.float() if isinstance(v, Tensor) else v for k, v in seen.items()}
        losses, _ = self.criterion(exact, batch)
        losses = losses / self.options.batch
        box, name, edge = (round(float(part), 3) for part in losses.detach())
        return losses.sum(), {"box": box, "name": name, "edge": edge, "side": side}

    def batch(self, step: int, side: int) -> dict[str, Tensor]:
        """What ultralytics' losses read: img B x 3 x side x side in 0..1; boxes centre and size, as fractions."""
        rng = np.random.default_rng([self.options.seed, step])
        rows = rng.integers(len(self.scenes), size=self.options.batch)
        samples = [jitter(move(self.scenes, int(row), side, rng), rng) for row in rows]
        images = torch.from_numpy(np.stack([s.image for s in samples]))
        return {
            "img": images.permute(0, 3, 1, 2).float() / 255,
            "batch_idx": torch.cat(
                [torch.full((len(s.names),), float(i)) for i, s in enumerate(samples)]
            ),
            "cls": torch.from_numpy(np.concatenate([s.names for s in samples])).float()[:, None],
            "bboxes": torch.from_numpy(np.concatenate([_centred(s, side) for s in samples])),
        }

    def export(self, model: Any, out: Path) -> None:
        import yaml

        save_state(composed(model.state_dict(), NAMES), out / "detector.safetensors")
        text = yaml.safe_dump(config(self.options.conf), sort_keys=False, default_flow_style=None)
        (out / "detector.yaml").write_text(text, encoding="utf-8")


def _centred(sample: Sample, side: int) -> NDArray[np.float32]:
    x0, y0, x1, y1 = sample.boxes.T / side
    return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1).astype(np.float32)


def train(options: DetectorOptions) -> None:
    """Train the detector and write detector.safetensors and detector.yaml into `options.out`."""
    torch.set_num_threads(options.threads)
    fit(Detection(options, load(options.scenes, options.count, workers=options.workers)), options)
