"""Which optimiser takes which parameter, and that a saved one goes on where it was."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from foveal.training.optimisers import Name, optimiser_of

NAMES: tuple[Name, ...] = ("adamw", "muon")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "embed_tokens": nn.Embedding(7, 4),
            "convolution": nn.Conv2d(1, 4, 3),
            "inner": nn.Linear(4, 4),
            "frozen": nn.Linear(4, 4).requires_grad_(False),
            "lm_head": nn.Linear(4, 7, bias=False),
        }
    )


def names(model: nn.Module, part: torch.optim.Optimizer, **like: Any) -> set[str]:
    """The parameters that a part of an optimiser takes, in groups with the given values."""
    known = {id(p): n for n, p in model.named_parameters()}
    groups = [g for g in part.param_groups if all(g[k] == v for k, v in like.items())]
    return {known[id(p)] for group in groups for p in group["params"]}


def test_muon_takes_the_matrices_inside_and_adamw_the_rest() -> None:
    model = network()
    muon, adamw = optimiser_of(model, "muon", 1e-3, 0.05).parts
    assert isinstance(muon, torch.optim.Muon)
    assert names(model, muon, weight_decay=0.05) == {"inner.weight"}
    assert names(model, adamw, weight_decay=0.0) == {
        "embed_tokens.weight", "convolution.weight", "convolution.bias", "inner.bias", "lm_head.weight",
    }  # fmt: skip


def test_adamw_decays_matrices_and_kernels_only() -> None:
    model = network()
    (adamw,) = optimiser_of(model, "adamw", 1e-3, 0.05).parts
    decayed = {"embed_tokens.weight", "convolution.weight", "inner.weight", "lm_head.weight"}
    assert names(model, adamw, weight_decay=0.05) == decayed
    assert names(model, adamw, weight_decay=0.0) == {"convolution.bias", "inner.bias"}


def update(model: Any, optimiser: Any, step: int) -> None:
    tokens = torch.randint(7, (5,), generator=torch.Generator().manual_seed(step))
    scores = model["lm_head"](model["inner"](model["embed_tokens"](tokens)))
    optimiser.zero_grad()
    nn.functional.cross_entropy(scores, tokens).backward()
    optimiser.step()


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_optimiser_goes_on_the_same(name: Name) -> None:
    model = network()
    optimiser = optimiser_of(model, name, 1e-2, 0.05)
    for step in range(3):
        update(model, optimiser, step)
    other = network()
    other.load_state_dict(model.state_dict())
    again = optimiser_of(other, name, 1e-2, 0.05)
    again.load_state_dict(deepcopy(optimiser.state_dict()))  # a file would not share tensors either
    for step in range(3, 6):
        update(model, optimiser, step)
        update(other, again, step)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_can_still_be_set_after_going_back_to_a_saved_state(name: Name) -> None:
    model = network()
    optimiser = optimiser_of(model, name, 1e-2, 0.05)
    update(model, optimiser, 0)
    optimiser.load_state_dict(optimiser.state_dict())
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    before = [p.clone() for p in model.parameters()]
    update(model, optimiser, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
