"""Projectors: what the paper's own code computes, and the formula in numbers small enough to follow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foveal.agent.actions import Encoder
from foveal.agent.projectors import PROJECTORS, ClipProjector, Projector, empty_projector

DATA = Path(__file__).parents[1] / "data" / "vpt"
COUNTS = {"clip": [6, 1, 8], "detection": [5, 5], "seg": [256]}
"""Tokens of each picture in the data."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(DATA / "projectors.npz") as file:
        return dict(file)


def load(golden: dict[str, NDArray[Any]], encoder: Encoder) -> Projector:
    prefix = f"{encoder}.w."
    state = {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in golden.items()
        if name.startswith(prefix)
    }
    projector = empty_projector(encoder, len(state["layernorm_feature.weight"]), 8)
    projector.load_state_dict(state, strict=True, assign=True)
    return projector


@pytest.mark.parametrize("encoder", PROJECTORS)
@torch.inference_mode()
def test_golden_projection(golden: dict[str, NDArray[Any]], encoder: Encoder) -> None:
    projector = load(golden, encoder)
    features, states = (torch.from_numpy(golden[f"{encoder}.{name}"]) for name in ("x", "h"))
    pictures = features.split(COUNTS[encoder]) if encoder == "clip" else features
    plain = torch.cat([projector(one, None) for one in pictures])
    steered = torch.cat([projector(one, h) for one, h in zip(pictures, states, strict=True)])
    np.testing.assert_allclose(plain, golden[f"{encoder}.out_unconditioned"], rtol=0, atol=1e-5)
    # The update stretches the difference of the features along c: by 1 + |c|^2, here up to 13.
    np.testing.assert_allclose(steered, golden[f"{encoder}.out"], rtol=0, atol=5e-5)
    assert (steered - plain).abs().max() > 0.1, "the data would not notice a missing condition"


@pytest.mark.parametrize("encoder", PROJECTORS)
@torch.inference_mode()
def test_golden_condition(golden: dict[str, NDArray[Any]], encoder: Encoder) -> None:
    """The update alone, from the very features that the paper's code projected."""
    trained = load(golden, encoder)
    update = ClipProjector(8, 8)
    update.linear_condition, update.layernorm_condition = (
        trained.linear_condition,
        trained.layernorm_condition,
    )
    tokens = torch.from_numpy(golden[f"{encoder}.out_unconditioned"]).split(COUNTS[encoder])
    states = torch.from_numpy(golden[f"{encoder}.h"])
    out = torch.cat([update(u, h) for u, h in zip(tokens, states, strict=True)])
    np.testing.assert_allclose(out, golden[f"{encoder}.out"], rtol=0, atol=1e-5)


def test_the_update_is_of_rank_one() -> None:
    projector = ClipProjector(2, 2)
    torch.nn.init.zeros_(projector.linear_condition.weight)
    with torch.no_grad():
        projector.linear_condition.bias.copy_(torch.tensor([0.5, -1.0]))
    u = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert projector(u, torch.randn(2)).tolist() == [[0.25, 3.5], [0.0, 0.0]]
    assert projector(u, None).tolist() == u.tolist()


def test_a_fresh_projector_is_ready_to_be_trained() -> None:
    for kind in PROJECTORS.values():
        projector = kind(16, 16)
        assert projector.linear_condition.bias.eq(0).all()
        assert projector.linear_condition.weight.std() > 0.1
        assert projector.layernorm_condition.eps == 1e-5


def test_an_empty_projector_takes_no_memory() -> None:
    assert {p.device.type for p in empty_projector("seg", 256, 3584).parameters()} == {"meta"}
