"""The confidence of answers is what it was found to be worth; that of other turns stays."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from foveal.agent.actions import Answer, Detect
from foveal.agent.errors import SetupError
from foveal.agent.native.calibration import CALIBRATION, Calibration
from foveal.agent.native.model import NativeModel
from foveal.agent.native.trust import Trust
from foveal.agent.observations import Detected, Failed
from foveal.agent.transcript import Asked, Observed

ASKED = Asked(image="a" * 64, size=(120, 90), question="How many?", tools=("detect",))
MAP = Calibration(seen=((0.0, 0.625),), unseen=((0.0, 0.125),))
CUBES = Detect(phrase="cubes")


def test_the_map_is_straight_between_knots_falls_to_nothing_and_ends_level() -> None:
    made = Calibration(seen=((0.2, 0.1), (0.6, 0.5), (1.0, 0.9)), unseen=((0.5, 0.3),))
    told = {0.0: 0.0, 0.1: 0.05, 0.2: 0.1, 0.4: 0.3, 0.6: 0.5, 0.8: 0.7, 1.0: 0.9}
    for raw, chance in told.items():
        assert made.of(raw, seen=True) == pytest.approx(chance)
        assert made.of(raw, seen=False) == pytest.approx(0.3 * min(raw / 0.5, 1))


@pytest.mark.parametrize(
    "knots", [[], [[0.5, 0.5], [0.5, 0.6]], [[0.1, 0.5], [0.5, 0.4]], [[0.1, 1.5]], [[0.1]]]
)
def test_a_map_that_does_not_rise_is_none(knots: list[list[float]]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate({"seen": knots, "unseen": [[0.5, 0.5]]})


async def test_answers_are_told_with_the_chance_that_they_are_right(
    native: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Failed(error="specialist", message="out of order")
    cases: tuple[tuple[list[Observed], float], ...] = (
        ([], 0.125),
        ([Observed(action=CUBES, observation=failed)], 0.125),
        ([Observed(action=CUBES, observation=Detected(phrase="cubes"))], 0.625),
    )
    for items, chance in cases:
        monkeypatch.setattr(native, "trust", Trust(MAP))
        turn = await answered(native, shelf, items)
        assert turn.confidence == chance
        monkeypatch.setattr(native, "trust", Trust())
        plain = await answered(native, shelf, items)
        assert plain.confidence not in (0.125, 0.625)
        assert plain.actions == turn.actions


async def answered(native: Any, shelf: Any, items: list[Observed]) -> Any:
    """One turn in which the model can only answer."""
    session = await native.open([ASKED, *items], shelf)
    turn = await session.act((), max_new_tokens=3)
    assert isinstance(turn.actions[0], Answer)
    return turn


async def test_what_is_asked_keeps_its_probability(
    native: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "trust", Trust(MAP))
    session = await native.open([ASKED], shelf)
    assert session._chance(0.5, (CUBES,)) == 0.5
    assert session._chance(0.5, (Answer(text="2"),)) == 0.125


def test_it_is_read_from_beside_the_weights(folder: Path, tmp_path: Path) -> None:
    assert NativeModel.from_folder(folder).trust == Trust()
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / CALIBRATION).write_text(MAP.model_dump_json())
    assert NativeModel.from_folder(tmp_path).trust == Trust(MAP)


def test_it_must_be_intact(tmp_path: Path) -> None:
    path = tmp_path / CALIBRATION
    path.write_text(json.dumps({"seen": [[0.5, 0.5]]}))
    with pytest.raises(SetupError, match="is no calibration"):
        Calibration.beside(tmp_path)
    path.write_text(MAP.model_dump_json())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  {CALIBRATION}\n")
    assert Calibration.beside(tmp_path) == MAP
    path.write_text(MAP.model_dump_json() + " ")
    with pytest.raises(SetupError, match="damaged"):
        Calibration.beside(tmp_path)
