"""An evaluation that was killed goes on, and comes to what an undisturbed one comes to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.cli import main

PROGRAM = Path(__file__).with_name("killed.py")
FAMILIES = "count,nearer,read,larger"


def evaluated(folder: Path | None, calls: Path, ablate: str, kill: int = 0) -> tuple[int, Any]:
    """The exit code, and the report without times; killed before that call of a specialist."""
    words = ["eval", "tabletop", "--limit", "8", "--families", FAMILIES, "--json"]
    words += [] if folder is None else ["--out", str(folder)]
    words += ["--ablate", ablate] if ablate else []
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "CALLS": str(calls), "KILL": str(kill)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return done.returncode, done.stderr
    report = json.loads(done.stdout)
    return 0, {name: value for name, value in report.items() if name not in ("seconds", "time")}


@pytest.mark.slow
@pytest.mark.parametrize("ablate", ["", "observation=shuffle"])
def test_killed_it_loses_one_question_at_most(ablate: str, tmp_path: Path) -> None:
    folder, calls = tmp_path / "kept", tmp_path / "calls"
    _, undisturbed = evaluated(None, tmp_path / "other calls", ablate)
    code, _ = evaluated(folder, calls, ablate, kill=6)
    assert code == -signal.SIGKILL
    kept = (folder / "results.jsonl").read_text().splitlines()
    assert 2 <= len(kept) < 8
    code, report = evaluated(folder, calls, ablate)
    assert (code, report) == (0, undisturbed)
    assert (folder / "results.jsonl").read_text().splitlines()[: len(kept)] == kept
    assert json.loads((folder / "report.json").read_text())["right"] == report["right"]


WORDS = ["eval", "tabletop", "--limit", "2", "--json"]


def test_another_setting_in_the_same_place_is_refused(
    recited: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recited("yes")
    out = ["--out", str(tmp_path / "kept")]
    assert main([*WORDS, *out]) == 0
    first = json.loads(capsys.readouterr().out)
    recited("no")  # nothing is left to be asked
    assert main([*WORDS, *out]) == 0
    assert json.loads(capsys.readouterr().out)["right"] == first["right"]
    for other, told in (
        (["--seed", "1"], "seed 0, not 1"),
        (["--split", "val"], 'split "test", not "val"'),
        (["--ablate", "tokens=blank"], 'ablate "", not "tokens=blank"'),
        (["--verify"], "verify false, not true"),
    ):
        assert main([*WORDS, *out, *other]) == 2
        err = capsys.readouterr().err
        assert f"was begun with {told}; give another --out" in err
        assert err.count("\n") == 1


def test_more_questions_go_on_behind_those_that_are_kept(
    recited: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recited("yes")
    out = ["--out", str(tmp_path)]
    assert main([*WORDS, *out]) == 0
    assert main([*WORDS, *out, "--limit", "3"]) == 0
    more = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (more["n"], len((tmp_path / "results.jsonl").read_text().splitlines())) == (3, 3)


def test_without_a_place_nothing_is_written(
    recited: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recited("yes")
    assert main(WORDS) == 0
    assert list(tmp_path.iterdir()) == []


def test_tools_have_a_table_of_their_own(
    recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    find = "<|detect_start|>red cube<|detect_end|>"
    recited(find, "7")
    assert main(["eval", "tabletop", "--limit", "2", "--families", "symbol,dial", "--verify"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["visual", "tokens", "alone", "2"] in [row[:4] for row in rows]
    (detect,) = [row for row in rows if row[:1] == ["detect"]]
    assert detect[1:4] == ["1.00", "100.0%", "2"]
    assert detect[-1] == "0.0%"  # caused


def test_control_states_of_other_runs_cannot_be_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--ablate", "h=other", "--out", str(tmp_path / "kept")]
    assert main(words) == 2
    assert "leave out --out" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()
