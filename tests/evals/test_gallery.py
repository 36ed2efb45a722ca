"""The gallery shows wins and failures, each with what was said about it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.evals.gallery import ACROSS, SIDE, chosen, drawn, main
from foveal.evals.kept import SETTING, Kept, kept_split
from foveal.graphs.result import Evidence


def test_right_and_wrong_ones_of_many_families_are_chosen(row: Any) -> None:
    rows = [row("2", "2", family=f) for f in ("count", "count", "count", "exist")]
    rows += [row("3", "2", family=f) for f in ("count", "exist", "exist")]
    picked = chosen(rows, 4)
    assert [(one.family, one.right) for one in picked] == [
        ("count", True), ("exist", True), ("count", False), ("exist", False),
    ]  # fmt: skip
    assert len(chosen(rows, 100)) == 7
    assert chosen([], 4) == []


def test_an_answer_is_drawn_with_what_it_rests_on(row: Any) -> None:
    plain, wrong = drawn(row("2", "2"), "test"), drawn(row("3", "2"), "test")
    assert plain.width == SIDE
    # Only a wrong one tells the truth, in a line more, and is written in another colour.
    dark = [(np.asarray(one)[SIDE:].min(2) < 128).sum() for one in (plain, wrong)]
    assert dark[0] < dark[1]
    one = row("2", "2")
    rests = Evidence(label="red cube", box=(100, 100, 300, 300), score=0.9, action="detect")
    result = one.result.model_copy(update={"evidence": (rests,)})
    seen = drawn(one.model_copy(update={"result": result}), "test")
    assert not np.array_equal(np.asarray(seen)[:SIDE], np.asarray(plain)[:SIDE])


def test_a_kept_evaluation_becomes_a_sheet(row: Any, tmp_path: Path) -> None:
    with Kept(tmp_path / "kept", {"split": "test"}) as kept:
        for answer in ("2", "2", "3"):
            kept.add(row(answer, "2"))
    main([str(tmp_path / "kept"), "--out", str(tmp_path / "sheet.png")])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == ACROSS * SIDE
        assert sheet.height < 2 * SIDE
    (tmp_path / SETTING).write_text("{}")
    with pytest.raises(InputError, match="names no split"):
        kept_split(tmp_path)
