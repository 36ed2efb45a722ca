"""Which specialists come with which model folder."""

from pathlib import Path

import pytest

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import SetupError
from foveal.tools.catalogue import crew_of, embedded, released
from foveal.tools.segmenter import Segmenter

DATA = Path(__file__).parents[1] / "data/vpt"


def test_a_model_of_ours_comes_with_all(tiny_weights: Path) -> None:
    assert set(crew_of(tiny_weights)) == set(embedded(tiny_weights))


def test_what_is_drawn_is_passed_on(tiny_weights: Path) -> None:
    drawn: list[PerceptionKind] = ["depth"]
    segmenter = crew_of(tiny_weights, drawn=drawn)["segmenter"]()
    assert isinstance(segmenter, Segmenter)
    assert not segmenter._draws


@pytest.mark.parametrize("variant", ["clip", "detection"])
def test_a_released_checkpoint_comes_with_its_encoders(variant: str) -> None:
    assert set(crew_of(DATA / variant)) == set(released(DATA / variant)) == {"encoder"}


def test_a_folder_without_a_model_is_for_the_user(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"config\.json"):
        crew_of(tmp_path)
