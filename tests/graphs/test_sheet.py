"""Lines of JSON, from a file or a pipe, read as often as asked."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from foveal.agent.errors import InputError
from foveal.graphs.sheet import Row, opened

BAD = {
    b"{": "not JSON",
    b"[1]": "a JSON list, expected an object",
    b"7": "a JSON int, expected an object",
    b'{"x": "\xff"}': "not UTF-8",
    b"[" * 100_000: "not JSON",
    b'{"a": 1} {"b": 2}': "not JSON",
}


def rows(path: Path, data: bytes) -> list[Row]:
    path.write_bytes(data)
    return list(opened(str(path)).rows())


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    found = rows(tmp_path / "q", b'\xef\xbb\xbf{"n": 1}\r\n\n  \n{"n": "\xe2\x80\xa8"}')
    assert found == [Row(1, {"n": 1}), Row(4, {"n": "\u2028"})]


@pytest.mark.parametrize(("line", "reason"), BAD.items())
def test_a_bad_line_says_why_and_the_next_is_read(line: bytes, reason: str, tmp_path: Path) -> None:
    bad, good = rows(tmp_path / "q", line + b'\n{"n": 2}\n')
    assert reason in bad.trouble
    assert good == Row(2, {"n": 2})


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "q").write_text('{"n": 1}\n{"n": 2}\n')
    sheet = opened(str(tmp_path / "q"))
    first = sheet.rows()
    assert next(first).number == 1
    assert [row.number for row in sheet.rows()] == [1, 2]


def test_a_pipe_can_be_read_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"n": 1}\n')))
    sheet = opened("-")
    assert list(sheet.rows()) == list(sheet.rows()) == [Row(1, {"n": 1})]
    assert (sheet.name, sheet.base) == ("stdin", tmp_path)


def test_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "q.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert opened("sub/q.jsonl").base == tmp_path / "sub"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no questions at .*none'; give a file"):
        opened(str(tmp_path / "none"))
    with pytest.raises(InputError, match="neither a saved dataset nor Parquet"):
        opened(str(tmp_path))
