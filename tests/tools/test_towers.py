"""Towers are loaded when they are first used, and what cannot be loaded is for the user."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Encoder
from foveal.agent.errors import SetupError
from foveal.agent.vision import Encoded
from foveal.tools.towers import LateTower, towers_of, variant_of

DATA = Path(__file__).parents[1] / "data/vpt"
PICTURE = np.zeros((60, 40, 3), np.uint8)


class Flat:
    """Sees every picture alike."""

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        return [Encoded(np.ones((1, 2), np.float32), (1, 2, 2)) for _ in pictures]


def raising(error: Exception) -> Callable[[], Flat]:
    def load() -> Flat:
        raise error

    return load


def test_a_tower_is_loaded_once_and_when_used() -> None:
    loads: list[str] = []

    def load() -> Flat:
        loads.append("now")
        return Flat()

    tower = LateTower("seg", load)
    assert loads == []
    assert len(tower.encode_all([PICTURE, PICTURE])) == 2
    assert len(tower.encode_all([PICTURE])) == 1
    assert loads == ["now"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("no device\nat all"),
            r"'seg' encoder cannot be loaded \(RuntimeError: no device\)",
        ),
        (ModuleNotFoundError("no torch", name="torch"), r"pip install 'foveal\[models\]'"),
        (SetupError("weights are damaged", "reinstall"), "^weights are damaged; reinstall$"),
    ],
)
def test_what_cannot_be_loaded_is_for_the_user(error: Exception, words: str) -> None:
    tower = LateTower("seg", raising(error))
    for _ in range(2):
        with pytest.raises(SetupError, match=words):
            tower.encode_all([PICTURE])


def test_a_model_of_ours_has_its_own_tower_alone(tiny_weights: Path) -> None:
    assert variant_of(tiny_weights) is None
    assert list(towers_of(tiny_weights, None)) == ["clip"]


@pytest.mark.parametrize(
    ("variant", "kinds"), [("clip", {"clip"}), ("detection", {"clip", "detection"})]
)
def test_a_released_checkpoint_brings_its_variant(variant: Encoder, kinds: set[str]) -> None:
    assert variant_of(DATA / variant) == variant
    towers = towers_of(DATA / variant, variant)
    assert set(towers) == kinds
    for tower in towers.values():
        [seen] = tower.encode_all([PICTURE])
        assert np.isfinite(seen.values).all()


def test_a_folder_without_a_model_is_for_the_user(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"config\.json"):
        variant_of(tmp_path)


@pytest.fixture(scope="module")
def projecting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded weights with a projector for each encoder."""
    import torch

    from foveal.agent.profiles import embedded_weights
    from foveal.agent.projectors import PROJECTORS
    from foveal.agent.weights import load_state, save_state

    folder = tmp_path_factory.mktemp("projecting") / "weights"
    shutil.copytree(embedded_weights(), folder, ignore=shutil.ignore_patterns("SHA256SUMS"))
    state = load_state(folder / "model.safetensors")
    widths: dict[Encoder, int] = {"clip": 256, "detection": 192, "seg": 96}
    for kind, width in widths.items():
        part = PROJECTORS[kind](width, 256).state_dict()
        state |= {f"{kind}_projector.{name}": tensor for name, tensor in part.items()}
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    save_state(state, folder / "model.safetensors")
    return folder


def test_the_embedded_specialists_are_re_encoders_too(projecting: Path) -> None:
    from foveal.agent.checkpoint.building import build

    towers = towers_of(projecting, None)
    assert [*towers] == ["clip", "detection", "seg"]
    projectors = build(projecting).projectors
    counts: dict[Encoder, int] = {"clip": 12 * 20 // 4, "detection": 7 * 12, "seg": 4 * 4}
    for kind, tokens in counts.items():
        wide, other = towers[kind].encode_all([np.zeros((300, 500, 3), np.uint8), PICTURE])
        assert wide.grid[1] * wide.grid[2] == 4 * tokens
        made = projectors[kind](torch_of(wide.values), None)
        assert made.shape == (tokens, 256)
        assert not np.array_equal(wide.values[:4], other.values[:4])


def torch_of(values: NDArray[np.float32]) -> Any:
    import torch

    return torch.from_numpy(values)
