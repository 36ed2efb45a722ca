"""What an evaluation leaves behind: a line a question, and what was evaluated; enough to go on after a crash."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import ValidationError

from foveal.agent.errors import InputError
from foveal.evals.scored import Scored
from foveal.evals.splits import Split
from foveal.graphs.ledger import Ledger, replace_text
from foveal.graphs.lock import FolderLock

ROWS, SETTING, REPORT = "results.jsonl", "setting.json", "report.json"


class Kept:
    """One evaluation's folder, locked until it is closed."""

    def __init__(self, folder: Path, setting: Mapping[str, Any]) -> None:
        """Make the folder, or go on with it. Raises InputError for one that was begun with another setting, or
        that somebody writes to.

        `setting`: whatever decides the answers, in JSON types.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(folder)
        except OSError as error:
            raise InputError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
        self.folder = folder
        self._ledger = Ledger(folder / ROWS)
        try:
            agreed(folder, setting)
            self.rows = [_row(record, folder) for record in self._ledger.recovered()]
            """What was asked, the oldest first."""
        except InputError:
            self.close()
            raise

    def add(self, row: Scored) -> None:
        """One question more; it is on the disk when this returns."""
        record = row.model_dump(mode="json")
        self._ledger.append([{"id": str(len(self.rows) + 1)} | record])
        self.rows.append(row)

    def end(self, report: str) -> None:
        """Write the report, JSON text, beside the rows."""
        replace_text(self.folder / REPORT, report + "\n")

    def close(self) -> None:
        """Close the file and let the next one in."""
        self._ledger.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kept_rows(folder: Path) -> list[Scored]:
    """The rows of a folder, whoever writes to it; none where there is no such folder."""
    return [_row(record, folder) for record in Ledger(folder / ROWS).recovered()]


def kept_split(folder: Path) -> Split:
    """Of which scenes a folder's rows are. Raises InputError for a folder that does not say."""
    named = _read(folder / SETTING).get("split")
    found: list[Split] = [split for split in get_args(Split) if split == named]
    if not found:
        raise InputError(f"{folder / SETTING} names no split; name a folder of `agent eval --out`")
    return found[0]


def agreed(folder: Path, setting: Mapping[str, Any]) -> None:
    """Write a folder's setting, or hold it against the one that is there. Raises InputError where they differ."""
    path = folder / SETTING
    if not path.exists():
        if (folder / ROWS).exists():
            raise InputError(
                f"{folder} has {ROWS}, but no {SETTING} that says of what; give another --out"
            )
        replace_text(path, json.dumps(setting, indent=2, ensure_ascii=False) + "\n")
        return
    before = _read(path)
    for name, new in setting.items():
        if before.get(name) != new:
            old = _shown(before.get(name))
            raise InputError(
                f"{folder} was begun with {name} {old}, not {_shown(new)}; give another --out"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} is no setting of an evaluation; give another --out")
    return found


def _row(record: dict[str, Any], folder: Path) -> Scored:
    number = record.pop("id")
    try:
        return Scored.model_validate(record)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(
            f"{folder / ROWS} line {number} is no scored question: {reason}; give another --out"
        ) from None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
