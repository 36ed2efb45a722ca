"""The results of a batch as one Parquet file, in the order of the questions, a few of them in memory at a time."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from foveal.graphs.budgets import Spent
from foveal.tools.extras import needs

ROWS = 2048
"""In memory at once, and in one row group."""

Record = dict[str, Any]


def available() -> None:
    """Raises SetupError when there is nothing to write Parquet with."""
    with needs("batch"):
        import pyarrow  # noqa: F401


def write(results: Path, target: Path) -> int:
    """Write what results.jsonl holds, one column per key, and return the number of rows.

    The columns of every batch have the same types; a column of the source has whatever type all its values
    fit, and is JSON text when there is none or when they are objects.
    """
    from pyarrow.parquet import ParquetWriter

    places = _in_order(results) if results.exists() else []
    if not places:
        return 0
    schema = _schema(results, places)
    new = target.with_name(f".{target.name}.new")
    with ParquetWriter(new, schema) as writer:
        for rows in _chunks(results, places):
            writer.write_table(_table(rows, schema))
    new.replace(target)
    return len(places)


def _in_order(results: Path) -> list[int]:
    """Where in the file each record begins, by its row in the source."""
    places, start = [], 0
    with results.open("rb") as file:
        for line in file:
            places.append((json.loads(line)["row"], start))
            start += len(line)
    return [place for _, place in sorted(places)]


def _chunks(results: Path, places: Sequence[int]) -> Iterator[list[Record]]:
    rest = iter(places)
    with results.open("rb") as file:
        while some := list(islice(rest, ROWS)):
            yield [_at(file, place) for place in some]


def _at(file: Any, place: int) -> Record:
    file.seek(place)
    record: Record = json.loads(file.readline())
    return record


def _schema(results: Path, places: Sequence[int]) -> Any:
    """Every column's type: ours are fixed, and the others are found out by looking at every value."""
    import pyarrow as pa

    types: dict[str, Any] = {}
    ours = _ours(any("images" in row for rows in _chunks(results, places) for row in rows))
    for rows in _chunks(results, places):
        for name in dict.fromkeys(name for row in rows for name in row):
            found = ours.get(name) or _found([row.get(name) for row in rows])
            types[name] = _both(types[name], found) if name in types else found
    return pa.schema(
        [(name, pa.string() if kind is None else kind) for name, kind in types.items()]
    )


def _ours(several: bool) -> dict[str, Any]:
    """The types of our columns; where questions came with several images, evidence says which one it is in."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    piece = {"label": text, "box": pa.list_(number), "score": number, "action": text}
    if several:
        piece["image"] = pa.int64()
    usage = {
        name: number if field.annotation is float else pa.int64()
        for name, field in Spent.model_fields.items()
    }
    plain = ("id", "image", "content", "question", "answer", "ended_by", "run", "trace", "verdict")
    as_json = ("hops", "value", "direct", "faithful")
    return dict.fromkeys([*plain, *as_json], text) | {
        "row": pa.int64(),
        "confidence": number,
        "seconds": number,
        "notes": pa.list_(text),
        "images": pa.list_(text),
        "evidence": pa.list_(pa.struct(piece)),
        "usage": pa.struct(usage),
    }


def _found(values: list[Any]) -> Any:
    """The type that fits all values, or None when that is none but text."""
    import pyarrow as pa

    try:
        kind = pa.array(values).type
    except (pa.ArrowException, OverflowError):
        return None
    return None if "struct" in str(kind) else kind


def _both(one: Any, other: Any) -> Any:
    """The type that fits what either fits, or None."""
    import pyarrow as pa

    if one is None or other is None:
        return None
    schemas = [pa.schema([("", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _table(rows: Sequence[Record], schema: Any) -> Any:
    import pyarrow as pa

    columns = [
        pa.array([_fitting(row.get(field.name), field.type) for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _fitting(value: Any, kind: Any) -> Any:
    import pyarrow as pa

    if value is None or isinstance(value, str) or not pa.types.is_string(kind):
        return value
    return json.dumps(value, ensure_ascii=False)
