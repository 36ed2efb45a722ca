"""One training loop for the three specialists: AdamW under a clock, averaged weights, checkpoints that resume.

Weights are averaged exponentially over the updates (after Polyak and Juditsky, 1992); the rate warms up
linearly and then falls along half a cosine (Loshchilov and Hutter, 2017) over the whole budget, be it
minutes or steps.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from foveal.training.curves import draw
from foveal.training.optimisers import Name, Together, optimiser_of
from foveal.training.scenes import CACHE

Numbers = dict[str, float]

CHECKPOINT, LOG, CURVES = "checkpoint.pt", "log.jsonl", "curves.png"

# Types rather than defaults carry the limits, so that a recipe that only changes a default keeps them.
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """What every training takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    out: Path
    """Folder for the weights, the checkpoint and the log."""
    scenes: Path = CACHE
    """Folder of rendered scenes; missing ones are rendered first."""
    count: Count = 10_000
    """Scenes to train on."""
    minutes: Positive = 30.0
    """Budget of wall-clock time, all resumed parts together."""
    hours: NotNegative = 0.0
    """The same in hours; above 0 it replaces the minutes."""
    steps: int = Field(default=0, ge=0)
    """Budget of updates; above 0 it replaces the minutes and makes a run repeatable."""
    batch: Count = 16
    """Pictures per update."""
    rate: Positive = 1e-3
    """Highest learning rate."""
    optimiser: Name = "adamw"
    """What turns gradients into updates."""
    warm: Count = 150
    """Updates over which the rate rises to its highest."""
    decay: NotNegative = 0.03
    """Weight decay of matrices and kernels."""
    clip: Positive = 5.0
    """Largest norm of the gradient."""
    seed: int = 0
    """Decides the first weights and the order and look of the pictures."""
    save_minutes: Positive = 4.0
    """Time between checkpoints; each also exports weights that can be used."""
    resume: bool = True
    """Whether to go on from the checkpoint in `out`, if there is one."""
    workers: Count = 2
    """Processes that render missing scenes."""
    threads: Count = 1
    """Processor threads."""
    device: str = "cpu"
    """Where the network is trained, as torch spells it: cpu, cuda, cuda:1. Pictures are made on the processor."""

    @property
    def budget(self) -> float:
        """Seconds."""
        return 3600 * self.hours or 60 * self.minutes


class Task(Protocol):
    """One thing to learn."""

    model: Any
    """The network, a torch module."""

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        """The loss of one batch, and its parts. The batch depends on the seed and `step` alone.

        `progress` is the share of the budget already spent, 0 to 1.
        """
        ...

    def export(self, model: Any, out: Path) -> None:
        """Write weights and configuration as `foveal.tools` reads them."""
        ...


@dataclass
class State:
    """All that changes while training."""

    model: Any
    average: Any
    optimiser: Together
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays until the new one is whole."""
        partial = path.with_suffix(".partial")
        content = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(content, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go back to a checkpoint."""
        content = torch.load(path, weights_only=True, map_location="cpu")
        self.model.load_state_dict(content["model"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.seconds = content["step"], content["seconds"]


def fit(task: Task, options: Options) -> Any:
    """Train until the budget is spent; returns the averaged model, which is also exported to `options.out`."""
    options.out.mkdir(parents=True, exist_ok=True)
    state = _begin(task.model.to(options.device), options)
    draw(
        options.out / LOG, options.out / CURVES
    )  # what is missing for it is said now, not after hours
    checkpoint = options.out / CHECKPOINT
    if options.resume and checkpoint.is_file():
        state.load(checkpoint)
    clock, saved = time.monotonic() - state.seconds, state.seconds
    while (progress := spent(state, options)) < 1:
        numbers = _update(task, state, options, progress)
        state.step += 1
        state.seconds = time.monotonic() - clock
        if state.step % 20 == 0:
            _note(
                options.out / LOG,
                {"step": state.step, "seconds": round(state.seconds, 1), **numbers},
            )
        if state.seconds - saved > 60 * options.save_minutes:
            saved = state.seconds
            _keep(task, state, options)
    _keep(task, state, options)
    return state.average.module


def _begin(model: Any, options: Options) -> State:
    optimiser = optimiser_of(model, options.optimiser, options.rate, options.decay)
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=_average, use_buffers=True)
    return State(model, average, optimiser)


def _average(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
    if not old.is_floating_point():
        return new
    # Early on, forget faster: the first weights are noise.
    keep = min(0.998, (1 + int(count)) / (10 + int(count)))
    return torch.lerp(new, old, keep)


def spent(state: State, options: Options) -> float:
    """Share of the budget used so far."""
    return state.step / options.steps if options.steps else state.seconds / options.budget


def rate_at(step: int, progress: float, options: Options) -> float:
    """The learning rate: linear warm-up times half a cosine down to 2 %."""
    cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
    return options.rate * min(1.0, (step + 1) / options.warm) * cosine


def _update(task: Task, state: State, options: Options, progress: float) -> Numbers:
    rate = rate_at(state.step, progress, options)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    loss, parts = task.loss(state.step, progress)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), options.clip)
    state.optimiser.step()
    state.average.update_parameters(state.model)
    return {
        "loss": round(float(loss.detach()), 4),
        **parts,
        "norm": round(float(norm), 3),
        "rate": rate,
    }


def _keep(task: Task, state: State, options: Options) -> None:
    state.save(options.out / CHECKPOINT)
    task.export(state.average.module, options.out)
    draw(options.out / LOG, options.out / CURVES)


def _note(path: Path, row: Mapping[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def average_of(rows: Iterable[float]) -> float:
    """The mean; nan of nothing."""
    values = list(rows)
    return sum(values) / len(values) if values else math.nan
