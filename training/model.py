"""The language model: a Qwen2-VL of 6 M parameters that asks the specialists and says what follows.

The embedded weights were made from nothing on two processor cores, in stages. First the policy: dialogues
as text alone, about scenes that were never drawn, teach which specialist to ask and how to copy and compare
what it says. Then two that do not need each other: in alignment the vision tower alone learns to say what every
cell of a rendered picture shows, in the language model's own word embeddings; in imagination the language model
learns to understand such visual tokens, of scenes that were never drawn either. With other encoders at hand, their
projectors learn to speak in the same words. Last, pictured dialogues bring all together, with and without tools,
the tower and the projectors kept still.

Why so (seeds of one, so leads rather than proofs): whatever reaches the model as text it uses almost at once;
visual tokens must first be brought to the scale and basis of the word embeddings.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer

from foveal.agent.errors import InputError
from foveal.agent.projectors import PROJECTORS
from foveal.agent.weights import load_state, save_state
from foveal.training.familiarity import write
from foveal.training.hearing import heard
from foveal.training.loop import Count, NotNegative, Options, Positive, Task, fit
from foveal.training.meanings import Dictionary
from foveal.training.networks import network_of, projects, tokenizer_of
from foveal.training.optimisers import Name
from foveal.training.projecting import KINDS
from foveal.training.reencoders import add_projectors, encoders_of
from foveal.training.scenes import load
from foveal.training.sizes import PIXELS
from foveal.training.stages import Alignment, Imagination, Pictured, Policy, Projection
from foveal.training.subjects import rendered
from foveal.training.tokenizer import build
from foveal.training.witnesses import recall

Stage = Literal["policy", "imagination", "alignment", "projection", "pictured"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class ModelOptions(Options):
    """Defaults are the recipe of the embedded weights; their card says where the actual runs departed from it."""

    out: Path = Path("runs/model")
    stage: Stage | Literal["all"] = "all"
    """One stage alone, or all of them one after the other; those before it must have been trained."""
    witnessed: Path | None = None
    """What trained specialists made of the scenes (`foveal.training.witnesses`); without it that is imagined."""
    encoders: Path | None = None
    """Folder with a trained depth estimator and segmenter, as whose other half the model learns to see the
    image once more; without it it learns no re-encoding, and there is no projection."""
    begin: Path | None = None
    """Folder of finished weights that `projection` and `pictured` go on from, in place of the stages before."""
    minutes: Positive = 180.0
    """Budget of wall-clock time, split over the stages by `shares`."""
    shares: tuple[Positive, Positive, Positive, Positive, Positive] = (0.15, 0.25, 0.25, 0.05, 0.3)
    """Parts of the budget, in the order of the stages."""
    rate: Positive = 3e-3
    slower: tuple[Positive, Positive, Positive, Positive, Positive] = (1.0, 0.67, 1.0, 1.0, 0.4)
    """What `rate` is multiplied by in each stage."""
    optimiser: Name = "muon"
    warm: Count = 60
    decay: NotNegative = 0.05
    clip: Positive = 1.0
    batch: Annotated[int, Field(gt=1)] = 16
    """Rows of text or pictures per update; half as many rows of pictured dialogues."""


def train(options: ModelOptions) -> None:
    """Train the stages and write the model as `foveal.agent.native.model` reads it into `options.out`.

    A stage begins with what those before it wrote; imagination and alignment may run at the same time.
    """
    torch.set_num_threads(options.threads)
    stages = _stages(options)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(options)
    for name in stages:
        fit(_stage(name, tokenizer, options), _part(options, name))
        if name == "pictured":
            network = network_of(tokenizer, options.seed, {}, projecting=bool(options.encoders))
            network.load_state_dict(load_state(options.out / "pictured" / "model.safetensors"))
            _export(network, tokenizer, options.out)
            scenes = load(options.scenes, options.count, workers=options.workers)
            write(network.model.visual.to(options.device), scenes, options.out)


def _stages(options: ModelOptions) -> tuple[Stage, ...]:
    if options.begin and options.stage not in ("projection", "pictured"):
        raise InputError(
            f"stage {options.stage} cannot go on from finished weights: leave out --begin, "
            "or name --stage projection or pictured"
        )
    if options.stage != "all":
        return (options.stage,)
    return tuple(name for name in STAGES if options.encoders or name != "projection")


def _tokenizer(options: ModelOptions) -> Tokenizer:
    """The one that the weights to go on from were trained with, or a new one."""
    if options.begin:
        return tokenizer_of(options.begin)
    if options.resume and (options.out / "tokenizer.json").is_file():
        return tokenizer_of(options.out)
    return build(options.out, options.seed)


def _stage(name: Stage, tokenizer: Tokenizer, options: ModelOptions) -> Task:
    out, mine = options.out, _part(options, name)
    if name == "policy":
        return Policy(network_of(tokenizer, options.seed, {}), tokenizer, mine)
    begin = options.begin or out / "policy"
    taught = bool(options.begin and options.encoders) and projects(begin)
    spoken = network_of(tokenizer, options.seed, {"": begin}, projecting=taught)
    words = Dictionary(spoken.get_input_embeddings().weight.detach().clone(), tokenizer)
    if name == "imagination":
        return Imagination(spoken, tokenizer, words, mine, KINDS if options.encoders else ())
    scenes = load(options.scenes, options.count, workers=options.workers)
    if name == "alignment":
        return Alignment(spoken, words, mine, scenes)
    encoders = encoders_of(options.encoders) if options.encoders else {}
    if options.begin:
        rng = np.random.default_rng(options.seed)
        words = heard(spoken, words, scenes, encoders if taught else {}, rng)
    if name == "projection":
        if not encoders:
            raise InputError("projection needs --encoders: name a folder with depth and segmenter")
        add_projectors(spoken)
        return Projection(spoken, words, mine, scenes, encoders)
    network = network_of(tokenizer, options.seed, _parts(options), projecting=bool(encoders))
    told = recall(options.witnessed, scenes) if options.witnessed else ()
    return Pictured(network, tokenizer, words, mine, rendered(scenes, told, encoders), encoders)


def _parts(options: ModelOptions) -> dict[str, Path]:
    """Where the last stage's tensors come from, by the beginning of their names."""
    out, begin = options.out, options.begin
    parts = {"": begin} if begin else {"": out / "imagination", "model.visual.": out / "alignment"}
    if not options.encoders or (begin and not (out / "projection").is_dir() and projects(begin)):
        return parts
    return parts | {f"{kind}_projector.": out / "projection" for kind in PROJECTORS}


def _part(options: ModelOptions, name: Stage) -> ModelOptions:
    """A stage's own folder, share of the budget and rate."""
    place = STAGES.index(name)
    share = options.shares[place]
    return options.model_copy(
        update={
            "out": options.out / name,
            "minutes": options.budget / 60 * share,
            "hours": 0.0,
            "steps": max(1, round(options.steps * share)) if options.steps else 0,
            "rate": options.rate * options.slower[place],
        }
    )


def _export(network: Any, tokenizer: Tokenizer, out: Path) -> None:
    save_state(network.state_dict(), out / "model.safetensors")
    network.config.to_json_file(out / "config.json", use_diff=True)
    size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
    text = json.dumps({"size": size, "again": "quarters"}) + "\n"
    (out / "preprocessor_config.json").write_text(text, encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
