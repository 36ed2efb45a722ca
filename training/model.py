"""The language model, in three stages: policy as text, vision aligned to words, both together.

What was learnt on two cores (seeds of one, so leads rather than proofs): whatever reaches the model as text it
uses almost at once; visual tokens must first be brought to the scale and basis of the word embeddings, and
the tower then kept still.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from foveal.agent.weights import save_state
from foveal.training.align import Dictionary, alignment_loss
from foveal.training.forward import hidden_states, rotations
from foveal.training.glimpses import stream
from foveal.training.loop import Numbers, Options, fit
from foveal.training.packing import Packed
from foveal.training.pictured import Composer, Illustrated, features
from foveal.training.policy import batches
from foveal.training.scenes import Scenes, load
from foveal.training.sizes import PIXELS, config
from foveal.training.tokenizer import build


class ModelOptions(Options):
    """Defaults are what the embedded weights were made with."""

    out: Path = Path("runs/model")
    minutes: float = Field(default=75.0, gt=0)
    """Budget of wall-clock time, split over the stages by `shares`."""
    shares: tuple[float, float, float] = (0.4, 0.2, 0.4)
    """Parts of the budget for policy, alignment and pictured dialogues."""
    rate: float = 3e-3
    optimiser: Any = "muon"
    warm: int = 60
    decay: float = 0.05
    clip: float = 1.0
    batch: int = 16
    """Rows of text or pictures per update."""


class Policy:
    """Stage one: text dialogues; vision does not take part."""

    def __init__(self, network: Any, tokenizer: Tokenizer, options: ModelOptions) -> None:
        self.model, self.options = network, options
        self._batches = _resumable(lambda start: batches(tokenizer, options.seed + start, options.batch))
        for parameter in network.model.visual.parameters():
            parameter.requires_grad_(False)

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        packed = self._batches(step)
        return emission_loss(self.model, packed, None)

    def export(self, model: Any, out: Path) -> None:
        save_state(model.state_dict(), out / "model.safetensors")


class Alignment(Policy):
    """Stage two: the tower alone learns to speak in word embeddings."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, options: ModelOptions, scenes: Scenes
    ) -> None:
        self.model, self.options = network, options
        table = network.model.language_model.embed_tokens.weight.detach()
        self.words = Dictionary(table, tokenizer)
        self._glimpses = _resumable(
            lambda start: stream(scenes, np.random.default_rng([options.seed, start]), options.batch)
        )
        for name, parameter in network.named_parameters():
            parameter.requires_grad_("visual" in name)

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return alignment_loss(self.model.model.visual, self.words, self._glimpses(step))


class Pictured(Policy):
    """Stage three: dialogues beside visual tokens, with the tower kept still."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, options: ModelOptions, scenes: Scenes
    ) -> None:
        self.model, self.options = network, options
        self._illustrated = _resumable(
            lambda start: Composer(scenes, tokenizer, options.seed + start).batches(options.batch // 2)
        )
        for name, parameter in network.named_parameters():
            parameter.requires_grad_("visual" not in name)

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        shown: Illustrated = self._illustrated(step)
        seen = features(self.model.model.visual, shown.pictures)
        return emission_loss(self.model, shown.packed, seen)


def emission_loss(network: Any, packed: Packed, seen: Tensor | None) -> tuple[Tensor, Numbers]:
    """Mean cross-entropy of the emitted tokens; `seen` (visual tokens, hidden) fills the visual places."""
    inner = network.model.language_model
    text = network.config.text_config
    rope = text.rope_parameters
    embeds = inner.embed_tokens(packed.ids)
    if seen is not None:
        embeds = embeds.masked_scatter(packed.visual[..., None], seen)
    head = text.hidden_size // text.num_attention_heads
    cos, sin = rotations(packed.positions, head, rope["rope_theta"], rope["mrope_section"])
    hidden = hidden_states(inner, embeds, cos, sin, packed.bias)
    before, wanted = hidden[:, :-1][packed.emitted[:, 1:]], packed.ids[:, 1:][packed.emitted[:, 1:]]
    scores = functional.linear(before, inner.embed_tokens.weight.to(before.dtype)).float()
    right = (scores.detach().argmax(-1) == wanted).float().mean()
    return functional.cross_entropy(scores, wanted), {"right": round(float(right), 4)}


def _resumable(make: Any) -> Any:
    """A function from step to batch: a stream that starts afresh, elsewhere, when training is resumed."""
    running: list[Iterator[Any]] = []

    def batch(step: int) -> Any:
        if not running:
            running.append(make(step))
        return next(running[0])

    return batch


def train(options: ModelOptions) -> None:
    """Train all stages and write the model as `foveal.agent.native` reads it into `options.out`."""
    from transformers import Qwen2VLForConditionalGeneration

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = build(options.out, options.seed)
    network: Any = Qwen2VLForConditionalGeneration(config(tokenizer))
    stages = {
        "policy": lambda n: Policy(n, tokenizer, options),
        "alignment": lambda n: Alignment(n, tokenizer, options, load(options.scenes, options.count)),
        "pictured": lambda n: Pictured(n, tokenizer, options, load(options.scenes, options.count)),
    }
    for (name, make), share in zip(stages.items(), options.shares, strict=True):
        folder = options.out / name
        part = options.model_copy(
            update={
                "out": folder,
                "minutes": options.minutes * share,
                "steps": max(1, round(options.steps * share)) if options.steps else 0,
            }
        )
        network = fit(make(network), part)
    _export(network, tokenizer, options.out)


def _export(network: Any, tokenizer: Tokenizer, out: Path) -> None:
    save_state(network.state_dict(), out / "model.safetensors")
    network.config.to_json_file(out / "config.json", use_diff=True)
    size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
    (out / "preprocessor_config.json").write_text(json.dumps({"size": size}) + "\n", encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))


def install(out: Path, weights: Path) -> None:
    """Copy a trained model's files into a weights folder."""
    for name in ("model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json"):
        shutil.copy(out / name, weights / name)
