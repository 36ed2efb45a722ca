"""Assembling a network: one copy of each tensor, computed buffers, and nothing that does not fit."""

from typing import Any

import pytest
import torch
from torch import nn

from foveal.agent.checkpoint.assembly import assembled, misfit, usable
from foveal.agent.errors import SetupError


class Tied(nn.Module):
    """A layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("steps", torch.tensor(0))


WEIGHT = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
STATE = {"first.weight": WEIGHT, "steps": torch.tensor(7)}


def test_tied_parameters_stay_one() -> None:
    network = assembled(Tied, STATE, "x")
    assert network.first.weight is network.second.weight
    assert network.second.weight.tolist() == WEIGHT.tolist()
    assert int(network.steps) == 7
    assert not network.training
    assert network.first.weight.data_ptr() != WEIGHT.data_ptr(), "the source may be a file"


def test_floats_get_the_precision_that_is_asked_for() -> None:
    network = assembled(Tied, STATE, "x", dtype=torch.bfloat16)
    assert network.first.weight.dtype == torch.bfloat16
    assert network.steps.dtype == torch.int64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first.weight": None}, "1 missing, first first.weight"),
        ({"a": WEIGHT, "b": WEIGHT}, "2 unexpected, first a"),
        ({"first.weight": WEIGHT[:1]}, r"first\.weight is \[1, 2\] and should be \[2, 2\]"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], reason: str) -> None:
    state = {name: tensor for name, tensor in (STATE | change).items() if tensor is not None}
    with pytest.raises(SetupError, match=f"weights x do not fit the model: {reason}; mend it"):
        assembled(Tied, state, "x", cure="mend it")


def test_what_fits_has_no_misfit() -> None:
    assert misfit(STATE, dict(reversed(STATE.items()))) is None


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_here_is_for_the_user(device: str) -> None:
    with pytest.raises(SetupError, match=f"device '{device}' cannot be used .*; set FOVEAL_DEVICE"):
        usable(device)


def test_a_buffer_that_nobody_computes_is_no_silent_garbage() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.ones(3), persistent=False)

        def _init_weights(self, module: nn.Module) -> None:
            assert module is self

    with pytest.raises(SetupError, match="does not compute table; pip install --upgrade"):
        assembled(Odd, {}, "x")
