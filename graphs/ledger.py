"""A file of JSON lines that survives `kill -9`: what was appended stays, and what was cut off is taken away."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import IO, Any

from foveal.agent.errors import InputError, SetupError

Record = Mapping[str, Any]


class Ledger:
    """One file, one object with an `id` a line. Nobody else writes to it while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    def recovered(self) -> Iterator[dict[str, Any]]:
        """Every record, the oldest first; a last line that is not complete is cut away.

        Raises InputError for a damaged line before the last: that was no crash of ours.
        """
        if not self.path.exists():
            return
        with self.path.open("r+b") as file:
            whole = 0
            for number, line in enumerate(file, start=1):
                record = _complete(line)
                if record is None:
                    self._must_be_last(number, file)
                    break
                whole += len(line)
                yield record
            file.truncate(whole)

    def append(self, records: Iterable[Record]) -> None:
        """Add records; they are on the disk when this returns.

        Raises SetupError when the disk does not take them; the file then is as it was before.
        """
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
            _sync_folder(self.path.parent)
        before = self.path.stat().st_size
        try:
            _write(self._file, b"".join(map(_line, records)))
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(before)
            problem = f"cannot write to {self.path}: {error.strerror}"
            raise SetupError(problem, "make room, and give the same command again") from error

    def clear(self) -> None:
        """Forget every record."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _must_be_last(self, number: int, file: IO[bytes]) -> None:
        if file.read(1):
            raise InputError(
                f"{self.path} line {number} is damaged; take that line out, or give another --out"
            )


def replace_text(path: Path, text: str) -> None:
    """Write a whole file so that a reader finds the old one or the new one, never a part."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _write(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _line(record: Record) -> bytes:
    # A lone surrogate, which JSON can spell and UTF-8 cannot, becomes a question mark.
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _complete(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one
        return None
    return record if isinstance(record, dict) and isinstance(record.get("id"), str) else None


def _sync_folder(folder: Path) -> None:
    """A file's name is only safe once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
