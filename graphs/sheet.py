"""Where the questions of a batch are written: rows, read one after the other and as often as asked."""

import json
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from foveal.agent.errors import InputError

STDIN = "-"
HUB = "hf:"
"""Before the name of a dataset that Hugging Face serves."""
PARQUET = b"PAR1"
"""How a Parquet file begins."""


@dataclass(frozen=True)
class Row:
    """One row as it stands there."""

    number: int
    """From 1; for lines of text, the line."""
    values: Mapping[str, Any]
    trouble: str = ""
    """Why it could not be read, if so; it then has no values."""


class Sheet(Protocol):
    """Something with rows. Reading twice gives the same rows."""

    name: str
    """For messages."""
    unit: str
    """What a row is called there: line or row."""
    base: Path
    """The folder that relative paths count from."""

    def rows(self) -> Iterator[Row]:
        """Every row, one at a time."""


def opened(source: str) -> Sheet:
    """The sheet in a file, a dataset's folder, `hf:NAME[:[CONFIG:]SPLIT]` or stdin (`-`).

    Raises InputError when there is none.
    """
    if source == STDIN:
        return _spooled(sys.stdin.buffer)
    if source.startswith(HUB):
        from foveal.graphs.tables import hub

        return hub(source.removeprefix(HUB))
    path = Path(source)
    if not path.exists():
        raise InputError(
            f"no questions at {source!r}; give a file, a dataset's folder, hf:NAME or -"
        )
    if path.is_dir():
        from foveal.graphs.tables import folder

        return folder(path)
    return _file(path)


def _file(path: Path) -> Sheet:
    try:
        with path.open("rb") as file:
            start = file.read(len(PARQUET))
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if start == PARQUET:
        from foveal.graphs.tables import parquet

        return parquet(path)
    return Lines(str(path), path.resolve().parent, lambda: path.open("rb"))


def _spooled(stream: IO[bytes]) -> Sheet:
    """What a pipe says, in a file without a name, so that it can be read twice and vanishes with us."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the sheet
    shutil.copyfileobj(stream, file)

    def again() -> AbstractContextManager[IO[bytes]]:
        file.seek(0)
        return nullcontext(file)

    lines = Lines("stdin", Path.cwd(), again)
    weakref.finalize(lines, file.close)
    return lines


@dataclass
class Lines:
    """JSON objects, one a line. Empty lines are passed over."""

    name: str
    base: Path
    read: Callable[[], AbstractContextManager[IO[bytes]]]
    """Opens it at its beginning."""
    unit: str = field(default="line", init=False)

    def rows(self) -> Iterator[Row]:
        """Every line that is not empty."""
        with self.read() as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _parsed(number, line)


def _parsed(number: int, line: bytes) -> Row:
    try:
        values = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Row(number, {}, f"not UTF-8 ({error.reason})")
    except (json.JSONDecodeError, RecursionError) as error:
        return Row(number, {}, f"not JSON ({error})")
    if not isinstance(values, dict):
        return Row(number, {}, f"a JSON {type(values).__name__}, expected an object")
    return Row(number, values)
