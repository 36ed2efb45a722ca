"""Results as Parquet: in the order of the questions, the same types in every batch."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foveal.graphs import columnar

RECORD = {
    "id": "a", "row": 1, "answer": "2", "confidence": None, "hops": [], "evidence": [], "notes": [],
    "usage": {"hops": 1, "seconds": 2}, "seconds": 1, "trace": None,
}  # fmt: skip


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The table that becomes of records, two in memory at a time."""
    monkeypatch.setattr(columnar, "ROWS", 2)

    def write(*rows: dict[str, Any]) -> pa.Table:
        text = "".join(json.dumps(RECORD | row) + "\n" for row in rows)
        (tmp_path / "results.jsonl").write_text(text, encoding="utf-8")
        assert columnar.write(tmp_path / "results.jsonl", tmp_path / "r.parquet") == len(rows)
        return pq.read_table(tmp_path / "r.parquet")

    return write


def test_in_the_order_of_the_questions(written: Any) -> None:
    table = written(*({"row": row, "id": f"{row}"} for row in (3, 1, 5, 2, 4)))
    assert table["id"].to_pylist() == ["1", "2", "3", "4", "5"]


def test_our_columns_have_their_types_even_when_empty(written: Any) -> None:
    schema = written({}).schema
    assert schema.field("confidence").type == pa.float64()
    assert schema.field("trace").type == pa.string()
    assert schema.field("notes").type == pa.list_(pa.string())
    assert schema.field("usage").type.field("hops").type == pa.int64()
    assert schema.field("evidence").type.value_type.field("box").type == pa.list_(pa.float64())


def test_hops_and_evidence(written: Any) -> None:
    piece = {"label": "cube", "box": [1, 2.5, 3, 4], "score": None, "action": "detect"}
    table = written({"hops": [{"turn": 1, "action": {"kind": "look"}}], "evidence": [piece]}, {})
    assert json.loads(table["hops"][0].as_py()) == [{"turn": 1, "action": {"kind": "look"}}]
    assert table["evidence"].to_pylist() == [[piece], []]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, 3], "int64", [1, 2, 3]),
        ([1, 2, 2.5], "double", [1.0, 2.0, 2.5]),  # not before the second chunk
        ([None, None, "x"], "string", [None, None, "x"]),
        ([None, None, None], "null", [None, None, None]),
        ([1, None, "x"], "string", ["1", None, "x"]),
        ([[1], [], [2]], "list<element: int64>", [[1], [], [2]]),
        ([{"a": 1}, {"b": [2]}, 3], "string", ['{"a": 1}', '{"b": [2]}', "3"]),
        ([2**70, 1, 2], "string", [str(2**70), "1", "2"]),
    ],
)
def test_carried_columns(written: Any, values: list[Any], kind: str, expected: list[Any]) -> None:
    table = written(*({"row": row, "given": value} for row, value in enumerate(values)))
    assert (str(table.schema.field("given").type), table["given"].to_pylist()) == (kind, expected)


def test_a_column_that_only_some_have(written: Any) -> None:
    rows = [{"row": 0}, {"row": 1}, {"row": 2, "late": 5}]
    assert written(*rows)["late"].to_pylist() == [None, None, 5]


def test_no_results(tmp_path: Path) -> None:
    assert columnar.write(tmp_path / "none.jsonl", tmp_path / "r.parquet") == 0
    assert list(tmp_path.iterdir()) == []
