"""Weights from one beginning are averaged tensor by tensor."""

from pathlib import Path

import pytest
import torch

from foveal.agent.errors import InputError
from foveal.agent.weights import load_state, save_state
from foveal.training.averaging import averaged, main


def kept(folder: Path, name: str, **tensors: torch.Tensor) -> Path:
    save_state(tensors, folder / name)
    return folder / name


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [
        kept(tmp_path, "a", w=torch.tensor([0.0, 4.0])),
        kept(tmp_path, "b", w=torch.tensor([2.0, 8.0])),
    ]


def test_the_mean_is_that_of_the_tensors(two: list[Path], tmp_path: Path) -> None:
    main([*map(str, two), "--out", str(tmp_path / "mean")])
    assert load_state(tmp_path / "mean")["w"].tolist() == [1.0, 6.0]


def test_shares_count_in_proportion(two: list[Path], tmp_path: Path) -> None:
    main([*map(str, two), "--shares", "3", "1", "--out", str(tmp_path / "mean")])
    assert load_state(tmp_path / "mean")["w"].tolist() == [0.5, 5.0]


@pytest.mark.parametrize("shares", [[1.0], [1.0, 1.0, 1.0], [0.0, 0.0], [2.0, -1.0]])
def test_shares_that_do_not_fit_are_refused(two: list[Path], shares: list[float]) -> None:
    with pytest.raises(InputError, match="of 2 files"):
        averaged(two, shares)


def test_other_tensors_are_refused(two: list[Path], tmp_path: Path) -> None:
    for name, tensor in (("w", torch.zeros(3)), ("v", torch.zeros(2))):
        with pytest.raises(InputError, match="holds other tensors"):
            averaged([*two, kept(tmp_path, "c", **{name: tensor})], [1.0] * 3)
