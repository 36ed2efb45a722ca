"""Eight rendered scenes, a small tokenizer, and networks small enough to train for a handful of steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.evals.questions import FAMILIES, Question, questions
from foveal.training import scenes
from foveal.training.corpus import TOOLS, Dialogue, dialogue
from foveal.training.imagine import imagined
from foveal.training.observing import World
from foveal.training.outside import outside

Draw = Callable[..., tuple[World, Question]]
Play = Callable[..., Dialogue]


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one shard of eight scenes: the last is a drawing."""
    folder = tmp_path_factory.mktemp("scenes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "SHARD", 8)
        scenes.build(folder, 8)
    return folder


@pytest.fixture
def eight(few: Path, monkeypatch: pytest.MonkeyPatch) -> scenes.Scenes:
    """Those scenes."""
    monkeypatch.setattr(scenes, "SHARD", 8)
    return scenes.load(few, 8)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The embedded model's tokenizer, trained on fewer dialogues."""
    from foveal.training.tokenizer import build

    return build(tmp_path_factory.mktemp("tokenizer"), dialogues=300)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """Makes a Qwen2-VL of the real class at toy size for a tokenizer, with weights by seed."""

    def make(tokenizer: Any, seed: int = 0) -> Any:
        import torch
        from transformers import Qwen2VLForConditionalGeneration

        torch.manual_seed(seed)
        network = Qwen2VLForConditionalGeneration(tiny_config(tokenizer))
        for name, parameter in network.named_parameters():  # large enough to tell results apart
            if "norm" not in name and "ln_q" not in name:
                torch.nn.init.normal_(parameter, std=0.15)
        return network

    return make


def tiny_config(tokenizer: Any) -> Any:
    """The embedded model's configuration with small numbers."""
    from foveal.training.sizes import config

    made: Any = config(tokenizer)
    text, vision = made.text_config, made.vision_config
    text.hidden_size, text.intermediate_size = 64, 96
    text.num_hidden_layers, text.num_attention_heads, text.num_key_value_heads = 2, 2, 2
    text.layer_types = text.layer_types[:2]
    vision.depth, vision.embed_dim, vision.hidden_size, vision.num_heads = 2, 32, 64, 2
    text.rope_parameters["mrope_section"] = [4, 6, 6]
    return made


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Makes a world and a question of the given family, by seed; other arguments go to the world."""

    def make(family: str, seed: int = 0, **world: Any) -> tuple[World, Question]:
        rng = np.random.default_rng(seed)
        while True:
            scene = imagined(rng)
            size = scene.instances.shape[1], scene.instances.shape[0]
            question, text = outside(rng)
            if question.family == family:
                return World(scene.things, size, rng, text=text, **world), question
            fitting = questions(scene, rng, family) if family in FAMILIES else ()
            if fitting:
                return World(scene.things, size, rng, **world), fitting[rng.integers(len(fitting))]

    return make


@pytest.fixture(scope="session")
def play(draw: Draw) -> Play:
    """Makes a dialogue of the given family, by seed, with all tools or those given."""

    def make(family: str, seed: int = 0, tools: Any = TOOLS, **world: Any) -> Dialogue:
        return dialogue(*draw(family, seed, **world), tools)

    return make
