"""What was appended stays; what a crash cut off goes; anything else is no crash of ours."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError, SetupError
from foveal.graphs.ledger import Ledger, replace_text

LINE = b'{"id": "a"}\n'


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "x.jsonl")


def test_append_and_read(ledger: Ledger) -> None:
    ledger.append([{"id": "a"}, {"id": "\u2028 \ud800 \n"}])
    ledger.append([{"id": "c"}])
    ledger.close()
    assert [record["id"] for record in Ledger(ledger.path).recovered()] == ["a", "\u2028 ? \n", "c"]
    assert ledger.path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize(
    "rest", [b"", b'{"id"', b'{"id": "b"}', b"\0\0\0\0\n", b"7\n", b"{}\n", b"\xff\n"]
)
def test_a_last_line_that_was_cut_off_goes(ledger: Ledger, rest: bytes) -> None:
    ledger.path.write_bytes(LINE + rest)
    assert [record["id"] for record in ledger.recovered()] == ["a"]
    assert ledger.path.read_bytes() == LINE
    ledger.append([{"id": "b"}])
    assert ledger.path.read_bytes() == LINE + LINE.replace(b"a", b"b")
    ledger.close()


def test_damage_before_the_end_is_told(ledger: Ledger) -> None:
    before = LINE + b"{\n" + LINE
    ledger.path.write_bytes(before)
    with pytest.raises(InputError, match=r"x\.jsonl line 2 is damaged"):
        list(ledger.recovered())
    assert ledger.path.read_bytes() == before


def test_nothing_yet(ledger: Ledger) -> None:
    assert list(ledger.recovered()) == []
    ledger.clear()
    ledger.append([{"id": "a"}])
    ledger.clear()
    assert not ledger.path.exists()


def test_a_full_disk_leaves_no_half_line(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append([{"id": "a"}])

    def full(descriptor: int) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(SetupError, match="No space left on device; make room"):
            ledger.append([{"id": "b"}])
    assert ledger.path.read_bytes() == LINE
    ledger.append([{"id": "a"}])
    assert ledger.path.read_bytes() == 2 * LINE
    ledger.close()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    replace_text(tmp_path / "f", "long text")
    replace_text(tmp_path / "f", "short")
    assert (tmp_path / "f").read_text() == "short"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
