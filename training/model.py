"""The language model: a Qwen2-VL of 6 M parameters that asks the specialists and says what follows.

The embedded weights were made from nothing on two processor cores, in three stages. First the policy: dialogues
as text alone, about scenes that were never drawn, teach which specialist to ask and how to copy and compare
what it says. Then alignment: the vision tower alone learns to say colour, shape and place of what every cell of
a rendered picture shows, in the language model's own word embeddings. Then pictured dialogues: both together,
with and without tools, the tower kept still.

Why so (seeds of one, so leads rather than proofs): whatever reaches the model as text it uses almost at once;
visual tokens must first be brought to the scale and basis of the word embeddings.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

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
from foveal.training.loop import Count, NotNegative, Numbers, Options, Positive, Task, fit
from foveal.training.optimisers import Name
from foveal.training.packing import Packed
from foveal.training.pictured import Composer, Illustrated, features
from foveal.training.policy import batches
from foveal.training.scenes import Scenes, load
from foveal.training.sizes import PIXELS, config
from foveal.training.tokenizer import build

T = TypeVar("T")


class ModelOptions(Options):
    """Defaults are the recipe of the embedded weights; their card says where the actual runs departed from it."""

    out: Path = Path("runs/model")
    minutes: Positive = 80.0
    """Budget of wall-clock time, split over the stages by `shares`."""
    shares: tuple[Positive, Positive, Positive] = (0.375, 0.1625, 0.4625)
    """Parts of the budget for policy, alignment and pictured dialogues."""
    rate: Positive = 3e-3
    slower: tuple[Positive, Positive, Positive] = (1.0, 1.0, 0.67)
    """What `rate` is multiplied by in each stage."""
    optimiser: Name = "muon"
    warm: Count = 60
    decay: NotNegative = 0.05
    clip: Positive = 1.0
    batch: Annotated[int, Field(gt=1)] = 16
    """Rows of text or pictures per update; half as many rows of pictured dialogues."""


class _Stage:
    """What the stages have in common: one network, parts of which learn."""

    def __init__(self, network: Any, learns: Callable[[str], bool]) -> None:
        """`learns` tells by a parameter's name whether it takes part."""
        self.model = network
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(learns(name))

    def export(self, model: Any, out: Path) -> None:
        save_state(model.state_dict(), out / "model.safetensors")


def _sees(name: str) -> bool:
    return "visual" in name


def _speaks(name: str) -> bool:
    return not _sees(name)


class Policy(_Stage):
    """Stage one: text dialogues; vision does not take part."""

    def __init__(self, network: Any, tokenizer: Tokenizer, options: ModelOptions) -> None:
        super().__init__(network, _speaks)
        self._batches = _resumable(
            lambda start: batches(tokenizer, options.seed + start, options.batch)
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return emission_loss(self.model, self._batches(step), None)


class Alignment(_Stage):
    """Stage two: the tower alone learns to speak in word embeddings."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, options: ModelOptions, scenes: Scenes
    ) -> None:
        super().__init__(network, _sees)
        table = network.model.language_model.embed_tokens.weight.detach()
        self.words = Dictionary(table, tokenizer)
        self._glimpses = _resumable(
            lambda start: stream(
                scenes, np.random.default_rng([options.seed, start]), options.batch
            )
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return alignment_loss(self.model.model.visual, self.words, self._glimpses(step))


class Pictured(_Stage):
    """Stage three: dialogues beside visual tokens, with the tower kept still."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, options: ModelOptions, scenes: Scenes
    ) -> None:
        super().__init__(network, _speaks)
        rows = options.batch // 2
        self._illustrated = _resumable(
            lambda start: Composer(scenes, tokenizer, options.seed + start).batches(rows)
        )

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


def _resumable(make: Callable[[int], Iterator[T]]) -> Callable[[int], T]:
    """A function from step to batch: a stream that starts afresh, elsewhere, when training is resumed."""
    running: list[Iterator[T]] = []

    def batch(step: int) -> T:
        if not running:
            running.append(make(step))
        return next(running[0])

    return batch


def train(options: ModelOptions) -> None:
    """Train all stages and write the model as `foveal.agent.native.model` reads it into `options.out`."""
    from transformers import Qwen2VLForConditionalGeneration

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = build(options.out, options.seed)
    network: Any = Qwen2VLForConditionalGeneration(config(tokenizer))
    scenes = load(options.scenes, options.count)
    stages: dict[str, Callable[[Any], Task]] = {
        "policy": lambda network: Policy(network, tokenizer, options),
        "alignment": lambda network: Alignment(network, tokenizer, options, scenes),
        "pictured": lambda network: Pictured(network, tokenizer, options, scenes),
    }
    parts = zip(stages.items(), options.shares, options.slower, strict=True)
    for (name, stage), share, slower in parts:
        network = fit(stage(network), _part(options, name, share, slower))
    _export(network, tokenizer, options.out)


def _part(options: ModelOptions, name: str, share: float, slower: float) -> ModelOptions:
    """A stage's own folder, share of the budget and rate."""
    steps = max(1, round(options.steps * share)) if options.steps else 0
    minutes, rate = options.minutes * share, options.rate * slower
    mine = {"out": options.out / name, "minutes": minutes, "steps": steps, "rate": rate}
    return options.model_copy(update=mine)


def _export(network: Any, tokenizer: Tokenizer, out: Path) -> None:
    save_state(network.state_dict(), out / "model.safetensors")
    network.config.to_json_file(out / "config.json", use_diff=True)
    size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
    text = json.dumps({"size": size}) + "\n"
    (out / "preprocessor_config.json").write_text(text, encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
