"""Towers are loaded when they are first used, and what cannot be loaded is for the user."""

from collections.abc import Callable, Sequence
from pathlib import Path

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
