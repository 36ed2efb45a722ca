"""`agent bench` prints what was measured, and its exit code says whether all of it is good enough."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from foveal import benching
from foveal.agent.errors import SetupError
from foveal.cli import main
from foveal.evals.bench import plots, rows
from foveal.evals.bench.row import Finding, Spec


def fast(rounds: int | None) -> Mapping[str, Finding]:
    return {"fast": Finding(30.0, (28.0, 31.0), "ms", {"ours": 1.25, "theirs": 37.5}, "2 rounds")}


def slow(rounds: int | None) -> Mapping[str, Finding]:
    return {"slow": Finding(1.5, (1.5, 1.5), "ms", {"ours": 2.0, "theirs": 3.0})}


def nowhere(rounds: int | None) -> Mapping[str, Finding]:
    raise SetupError("there is no ray here", "pip install it")


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows instead of those that take minutes."""
    few = {
        "fast": Spec("something fast", 25, fast),
        "slow": Spec("something slow", 2, slow),
        "nowhere": Spec("something else", 2, nowhere),
    }
    monkeypatch.setattr(benching, "ROWS", few)
    monkeypatch.setattr(rows, "ROWS", few)


def test_json_is_a_list_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["ratio"], row["target"], row["ok"]) for row in said] == [
        ("fast", 30.0, 25.0, True),
        ("slow", 1.5, 2.0, False),
        ("nowhere", None, 2.0, None),
    ]
    assert said[0]["numbers"] == {"ours": 1.25, "theirs": 37.5}
    assert said[0]["spread"] == [28.0, 31.0]


def test_a_row_that_was_not_measured_does_not_fall_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--only", "fast, nowhere"]) == 0
    out = capsys.readouterr().out
    assert "something fast" in out
    assert "there is no ray here" in out
    assert "slow" not in out


def test_the_table_tells_ratio_target_and_spread(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rounds", "2"]) == 1
    out = capsys.readouterr().out
    assert [word for word in out.split() if word in {"yes", "short", "-"}] == ["yes", "short", "-"]
    assert "theirs 37.5 ms" in out
    assert "within 28 and 31" in " ".join(out.split())


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "fastest"]) == 2
    assert "no benchmark 'fastest'; known: fast, slow, nowhere" in capsys.readouterr().err


def test_plots_are_named_as_they_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plots, "drawn", lambda name, folder: folder / f"{name}.png")
    assert main(["bench", "--plots", str(tmp_path), "--only", "latency-hops"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'latency-hops.png'}\n"
    assert main(["bench", "--plots", str(tmp_path), "--only", "fast"]) == 2
    assert "no plot 'fast'" in capsys.readouterr().err
