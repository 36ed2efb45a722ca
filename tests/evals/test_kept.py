"""A folder holds one evaluation, whatever ends its process."""

import json
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.agent.observations import Box, Detected, Found
from foveal.evals.kept import REPORT, ROWS, SETTING, Kept, kept_rows
from foveal.evals.scored import Scored


@pytest.fixture
def rows(row: Any) -> list[Scored]:
    found = Found(label="red cube", box=Box(image="i", xyxy=(1, 2, 30.5, 40)), score=0.9)
    seen = Detected(phrase="red cube", objects=(found,))
    return [
        row("2", "2", 0.75, seen, judged=(True,), targets=((1, 2, 30, 40),), waiting=(3, 5)),
        row("no", "yes", None),
        row("", "yes", 1 / 3),
    ]


def test_rows_come_back_as_they_were(tmp_path: Path, rows: list[Scored]) -> None:
    with Kept(tmp_path / "new", {"seed": 1}) as kept:
        assert kept.rows == []
        for row in rows:
            kept.add(row)
    assert kept_rows(tmp_path / "new") == rows
    with Kept(tmp_path / "new", {"seed": 1}) as kept:
        assert kept.rows == rows
        kept.end('{"n": 3}')
    assert json.loads((tmp_path / "new" / REPORT).read_text()) == {"n": 3}
    assert kept_rows(tmp_path / "nowhere") == []


def test_half_a_line_is_taken_away_and_written_anew(tmp_path: Path, rows: list[Scored]) -> None:
    with Kept(tmp_path, {}) as kept:
        kept.add(rows[0])
        kept.add(rows[1])
    path = tmp_path / ROWS
    path.write_bytes(path.read_bytes()[:-7])
    with Kept(tmp_path, {}) as kept:
        assert kept.rows == rows[:1]
        kept.add(rows[2])
    assert kept_rows(tmp_path) == [rows[0], rows[2]]


def test_another_setting_is_refused_by_name(tmp_path: Path) -> None:
    Kept(tmp_path, {"seed": 1, "ablate": ""}).close()
    for other, told in (({"seed": 2}, "seed 1, not 2"), ({"new": "x"}, 'new null, not "x"')):
        with pytest.raises(InputError, match=f"was begun with {told}; give another --out"):
            Kept(tmp_path, other)
    Kept(tmp_path, {"seed": 1, "ablate": ""}).close()  # who is refused holds no lock


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Kept(tmp_path, {}), pytest.raises(InputError, match="another run"):
        Kept(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (SETTING, "[1]", "is no setting"),
        (SETTING, "{", "is no setting"),
        (ROWS, '{"id": "1"}\n', "has results.jsonl, but no setting.json"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        Kept(tmp_path, {})


def test_a_line_that_is_no_row_is_refused(tmp_path: Path) -> None:
    Kept(tmp_path, {}).close()
    (tmp_path / ROWS).write_text('{"id": "7"}\n')
    with pytest.raises(InputError, match="line 7 is no scored question"):
        Kept(tmp_path, {})


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        Kept(tmp_path / "file", {})
