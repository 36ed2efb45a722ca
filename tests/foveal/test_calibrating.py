"""The chance of being right is measured with the uncalibrated model, and written where it is looked for."""

from pathlib import Path
from typing import Any

import pytest

from foveal import calibrating
from foveal.agent.native.calibration import CALIBRATION, Calibration
from foveal.agent.native.trust import Trust
from foveal.agent.scripted import ScriptedModel
from foveal.cli import main


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The models that were made; each says yes, and is 0.7 sure."""
    made: list[Any] = []

    def model_of(profile: Any) -> Any:
        made.append(ScriptedModel(["yes"], [0.7]))
        return made[-1]

    monkeypatch.setattr(calibrating, "model_of", model_of)
    return made


def test_a_map_is_written_and_gone_on_with(
    says: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "calibration", "--out", str(tmp_path), "--limit", "3"]
    assert main(words) == 0
    out = capsys.readouterr().out
    made = Calibration.model_validate_json((tmp_path / CALIBRATION).read_bytes())
    assert made.of(0.7, seen=False) in {(n + 0.5) / 4 for n in range(4)}
    assert "expected calibration error" in out
    assert f"sha256sum {CALIBRATION} >> SHA256SUMS" in out
    assert says[0].trust == Trust()
    rows = (tmp_path / "asked" / "results.jsonl").read_bytes()
    assert main(words) == 0
    assert (tmp_path / "asked" / "results.jsonl").read_bytes() == rows


def test_answers_that_claim_nothing_make_no_map(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrating, "model_of", lambda profile: ScriptedModel(["unknown"], [0.9]))
    assert main(["train", "calibration", "--out", str(tmp_path), "--limit", "2"]) == 2
    assert "none of 2 answers claims anything" in capsys.readouterr().err
    assert not (tmp_path / CALIBRATION).exists()


def test_a_server_is_not_calibrated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "calibration", "--profile", "vpt-2b-clip", "--out", str(tmp_path)]
    assert main(words) == 2
    assert "has no weights here to calibrate" in capsys.readouterr().err
