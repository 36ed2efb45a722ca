"""Pairs that were kept apart in training get the vectors that their colour and shape add up to."""

import numpy as np
import torch

from foveal.evals.vocabulary import FIGURES, HELD_OUT, NAMES, SOLIDS, parts
from foveal.training.composing import composed

WEIGHT, BIAS, OTHER = (
    "model.23.cv3.0.2.weight",
    "model.23.cv3.0.2.bias",
    "model.23.cv3.0.1.conv.weight",
)


def _additive(width: int) -> torch.Tensor:
    """(names, width) sums of a vector for the colour and one for the shape."""
    rng = np.random.default_rng(0)
    vectors: dict[str | None, np.ndarray] = {}
    rows = [
        [vectors.setdefault(word, rng.normal(size=width)) for word in parts(name)] for name in NAMES
    ]
    return torch.from_numpy(np.array(rows).sum(1)).float()


def test_what_was_never_seen_together_is_the_sum_of_its_parts() -> None:
    truth = _additive(6)
    held = torch.tensor([parts(name) in HELD_OUT for name in NAMES])
    assert held.sum() == len(HELD_OUT)
    trained = torch.where(held[:, None], torch.full_like(truth, -9.0), truth)
    made = composed({WEIGHT: trained[..., None, None], BIAS: trained[:, 0]}, NAMES)
    assert made[WEIGHT].shape == (len(NAMES), 6, 1, 1)
    assert torch.allclose(made[WEIGHT][..., 0, 0], truth, atol=1e-4)
    assert torch.allclose(made[BIAS], truth[:, 0], atol=1e-4)


def test_nothing_else_changes() -> None:
    noise = torch.randn(len(NAMES), 4, 1, 1, generator=torch.Generator().manual_seed(1))
    made = composed({WEIGHT: noise, OTHER: noise}, NAMES)
    held = torch.tensor([parts(name) in HELD_OUT for name in NAMES])
    assert torch.equal(made[OTHER], noise)
    assert torch.equal(made[WEIGHT][~held], noise[~held])
    assert not torch.equal(made[WEIGHT][held], noise[held])


def test_solids_and_figures_are_told_apart() -> None:
    """A triangle's vector is not made of cones."""
    truth = _additive(3)
    figures = torch.tensor([parts(name)[1] in FIGURES for name in NAMES])
    solids = torch.tensor([parts(name)[1] in SOLIDS for name in NAMES])
    moved = truth + figures[:, None] * 100.0
    made = composed({WEIGHT: moved[..., None, None]}, NAMES)[WEIGHT][..., 0, 0]
    assert torch.allclose(made[solids], truth[solids], atol=1e-3)
    assert torch.allclose(made[figures], moved[figures], atol=1e-3)
