"""Networks of the recipe's size with the tensors that lie in folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from foveal.agent.errors import InputError, SetupError
from foveal.agent.weights import load_state
from foveal.training.reencoders import add_projectors
from foveal.training.sizes import config


def tokenizer_of(folder: Path) -> Tokenizer:
    """The one that finished weights were trained with. Raises InputError where there is none."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{folder} has no tokenizer.json: name a folder of finished weights")
    return Tokenizer.from_file(str(path))


def finished(folder: Path) -> Any:
    """The network of a folder of finished weights, with the projectors that lie there."""
    return network_of(tokenizer_of(folder), 0, {"": folder}, projecting=projects(folder))


def projects(folder: Path) -> bool:
    """Whether weights have projectors."""
    return any("_projector." in name for name in load_state(folder / "model.safetensors"))


def network_of(
    tokenizer: Tokenizer, seed: int, parts: Mapping[str, Path], *, projecting: bool = False
) -> Any:
    """A fresh network, then for each prefix the tensors of that name from a stage's folder."""
    from transformers import Qwen2VLForConditionalGeneration

    torch.manual_seed(seed)
    network: Any = Qwen2VLForConditionalGeneration(config(tokenizer))
    if projecting:
        add_projectors(network)
    for prefix, folder in parts.items():
        state = load_state(folder / "model.safetensors")
        some = {name: tensor for name, tensor in state.items() if name.startswith(prefix)}
        missing = network.load_state_dict(some, strict=False).missing_keys
        if not prefix and any("_projector." not in name for name in missing):
            raise SetupError(f"{folder} lacks {missing[0]}", "train that stage again")
    return network
