"""Every published number comes from one command, which goes on where it was ended."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal import results, specialist_scores
from foveal.agent.profiles import Profile
from foveal.cli import main
from foveal.training import depth_eval, detector_eval, segmenter_eval

NUMBERS = {
    detector_eval: {"mAP50": 0.95},
    segmenter_eval: {"iou": 0.5},
    depth_eval: {"order": 0.98, "pairs": 100},
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the specialists' measures were asked for."""
    asked: list[Any] = []

    def numbers(module: Any) -> Any:
        def evaluate(folder: Path, scenes: int, split: str) -> Any:
            asked.append((module.__name__.rpartition(".")[2], scenes, split))
            return NUMBERS[module]

        return evaluate

    for module in NUMBERS:
        monkeypatch.setattr(module, "evaluate", numbers(module))
    return asked


@pytest.mark.slow
def test_the_table_has_targets_beside_what_was_reached(
    recited: Callable[..., None], measured: list[Any], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recited("<|look_start|><|x_0|><|y_0|><|x_7|><|y_7|><|look_end|>", "yes")
    kept, page = tmp_path / "kept", tmp_path / "results.md"
    words = ["eval", "results", "--out", str(kept), "--limit", "2", "--write", str(page)]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert page.read_text() == table
    rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines()[2:-2]]
    assert {len(row) for row in rows} == {6}
    named = {row[0].removeprefix("| "): row[1:] for row in rows}
    assert named["detector, mAP at IoU 0.5"][:4] == ["≥ 0.90", "0.950", "", "yes"]
    assert named["segmenter, mean IoU"][3] == "no"
    assert named["re-encoding alone against `tools=none`"][:4] == [
        "more",
        "+0.0 points",
        "+0.0 to +0.0",
        "no",
    ]
    assert named["right on the split `hard`"][4].startswith("`agent eval tabletop --split hard")
    assert {run.name for run in results.RUNS} < {path.name for path in kept.iterdir()}
    assert measured == [(f"{name}_eval", 2, "test") for name in ("detector", "segmenter", "depth")]
    assert re.fullmatch(
        r"Measured on \S+, \d+ cores of .+; python 3.+, torch .+\.", table.splitlines()[-1]
    )
    recited("nothing is asked again")
    page.write_text(f"# Results\n\n{table}\nThat is all.\n")
    assert main(words) == 0
    assert capsys.readouterr().out == table
    assert len(measured) == 3
    assert page.read_text() == f"# Results\n\n{table}\nThat is all.\n"


@pytest.mark.parametrize("run", results.RUNS, ids=lambda run: run.name)
def test_each_command_can_be_typed(
    run: results.Run, recited: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from foveal import evaluating

    ordered: list[evaluating.Order] = []
    monkeypatch.setattr(evaluating, "tabletop", ordered.append)
    order = results.Order(tmp_path, Profile(name="p", weights=tmp_path), 3, 1)
    program, *words = run.command(order).split()
    assert program == "agent"
    main(words)
    (typed,) = ordered
    assert (typed.limit, typed.seed, typed.split) == (3, 1, run.split)
    assert (typed.tools, typed.ablate, typed.families) == (run.tools, run.ablate, run.families)
    assert typed.out == tmp_path / run.name


def test_specialists_are_measured_once(
    measured: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "specialists", "--scenes", "5", "--split", "val", "--out", str(tmp_path)]
    for _ in range(2):
        assert main(words) == 0
        told = json.loads(capsys.readouterr().out)
        assert told == {
            "detector": {"mAP50": 0.95}, "segmenter": {"iou": 0.5},
            "depth": {"order": 0.98, "pairs": 100.0},
        }  # fmt: skip
    assert [scenes for _, scenes, _ in measured] == [5, 5, 5]
    (tmp_path / "depth.json").unlink()
    assert main(words) == 0
    assert [name for name, _, _ in measured[3:]] == ["depth_eval"]
    assert main([*words, "--scenes", "6"]) == 2
    assert "was begun with scenes 5, not 6" in capsys.readouterr().err
    assert specialist_scores.SCENES == 200
