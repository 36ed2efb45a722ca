"""Outside its domain a confident answer is a mistake, whatever it says."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foveal.cli import main
from foveal.evals.outside import PHOTOGRAPHS, askings, photograph


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_in_the_wheel(name: str) -> None:
    height, width, depth = photograph(name).shape
    assert min(height, width) > 100
    assert depth == 3


def test_both_kinds_come_in_turn_and_the_same_each_time() -> None:
    first, again = (list(askings(3, 4)) for _ in range(2))
    assert [one.kind for one in first] == ["photographs", "odd"] * 4
    assert [one.question for one in first] == [one.question for one in again]
    assert len({one.name for one in first if one.kind == "photographs"}) == 4


@pytest.mark.parametrize(
    ("turn", "confident"),
    [("red cube", 4), ("unknown", 0), ("Cannot tell.", 0), ("", 0)],
)
def test_what_claims_something_counts(
    turn: str, confident: int, recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    recited(turn)
    assert main(["eval", "outside", "--limit", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n"], told["confident"]) == (4, confident)
    assert told["share"] == confident / 4
    assert {kind: one["n"] for kind, one in told["kinds"].items()} == {"photographs": 2, "odd": 2}
    assert told["answers"] == ({turn: 4} if confident else {})


def test_it_goes_on_with_what_is_kept(
    recited: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "outside", "--out", str(tmp_path / "kept"), "--limit"]
    recited("red cube")
    assert main([*words, "1"]) == 0
    recited("unknown")
    assert main([*words, "2"]) == 0
    out = capsys.readouterr().out
    assert "all          2 of 4 answered confidently, 50.0%" in out
    assert "among them: red cube (2)" in out
    assert main([*words, "2", "--seed", "1"]) == 2
    assert "was begun with seed 0, not 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["outside", "results"])
def test_missing_photographs_are_missed_at_once(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert main(["eval", command, "--out", str(tmp_path / "kept")]) == 2
    assert "pip install 'foveal[evals]'" in capsys.readouterr().err
    assert not [*tmp_path.rglob("*.jsonl")], "nothing was asked"
