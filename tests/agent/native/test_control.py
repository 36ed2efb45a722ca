"""What stands in for the control state in an ablation."""

import pytest
import torch

from foveal.agent.native.control import Control

A, B = "a" * 64, "b" * 64
H = torch.tensor([3.0, 4.0])


def test_by_default_it_is_the_models_own() -> None:
    assert Control().of(A)(H) is H
    assert Control().conditioned


def test_zero() -> None:
    assert Control(h="zero").of(A)(H).tolist() == [0, 0]
    assert not Control(c="zero").conditioned


def test_noise_has_the_norm_of_the_models_own_and_depends_on_seed_and_image_alone() -> None:
    control = Control(h="random")
    drawn = control.of(A)(H)
    assert drawn.norm().item() == pytest.approx(5)
    assert torch.equal(drawn, Control(h="random").of(A)(H))
    assert not torch.equal(drawn, control.of(B)(H))
    assert not torch.equal(drawn, Control(h="random", seed=1).of(A)(H))


def test_anothers_is_the_last_of_a_run_on_another_image() -> None:
    control = Control(h="other")
    assert control.of(A)(H).tolist() == [0, 0], "there is no other yet"
    assert control.of(A)(H * 2).tolist() == [0, 0], "its own image is no other"
    assert torch.equal(control.of(B)(H * 3), H * 2)
    assert torch.equal(control.of(A)(H), H * 3)
