"""What a batch leaves behind: results, failures and how they were made; enough to go on after a crash."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from foveal.agent.errors import InputError
from foveal.graphs.batch import Answered, Failure, Outcome
from foveal.graphs.ledger import Ledger, replace_text
from foveal.graphs.lock import FolderLock
from foveal.graphs.query import Query
from foveal.graphs.result import Result

RESULTS, FAILURES, ACCOUNT = "results.jsonl", "failures.jsonl", "run.json"
OURS = {
    "id", "row", "image", "question", "truth", "verdict", "content", "error", "reason", "traceback",
    *Result.model_fields,
}  # fmt: skip
"""Names that a record uses itself."""

State = Literal["running", "finished", "interrupted", "stopped"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Counts(_Model):
    """How far the batch has come, over all its sittings."""

    questions: int = 0
    """In the source."""
    answered: int = 0
    """Lines in results.jsonl."""
    no_answer: int = 0
    """Among them, those to which the model gave no answer."""
    failed: int = 0
    """Lines in failures.jsonl."""
    judged: int = 0
    """Answered questions whose right answer is known."""
    right: int = 0

    @property
    def left(self) -> int:
        """Questions that have not been asked to an end."""
        return max(0, self.questions - self.answered - self.failed)

    def add(self, record: Mapping[str, Any]) -> None:
        """One result more."""
        self.answered += 1
        self.no_answer += not record.get("answer")
        self.judged += "verdict" in record
        self.right += record.get("verdict") == "right"


class Sitting(_Model):
    """One start of the command."""

    began: str
    """Date and time, UTC."""
    seconds: float = 0.0
    outcomes: int = 0
    """Questions answered or failed."""
    rate: float = 0.0
    """Outcomes a second."""
    how: dict[str, Any] = {}
    """What may differ from sitting to sitting: where it ran, with how many agents."""
    versions: dict[str, str] = {}


class Account(_Model):
    """run.json."""

    state: State = "running"
    settings: dict[str, Any]
    """What decides the answers; one folder has one of it."""
    counts: Counts = Counts()
    sittings: list[Sitting] = []


class Journal:
    """Holds the folder's lock until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, or take over what a sitting before has left."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(folder)
        except OSError as error:
            raise InputError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
        self.folder = folder
        self.done: set[str] = set()
        """Ids that need not be asked again."""
        self._results, self._failures = Ledger(folder / RESULTS), Ledger(folder / FAILURES)

    def begin(
        self,
        settings: Mapping[str, Any],
        questions: int,
        sitting: Sitting,
        *,
        mixed: bool = False,
        keep_failures: bool = False,
    ) -> Account:
        """Read what is there, and start a sitting. Failures are forgotten, to be tried again, unless kept.

        Raises InputError when the folder was begun with other settings, unless `mixed` says that it may.
        """
        before = self._before()
        if not mixed:
            _must_agree(self.folder, before, settings)
        counts = Counts(questions=questions)
        for record in self._results.recovered():
            self.done.add(record["id"])
            counts.add(record)
        if keep_failures:
            self.done.update(record["id"] for record in self._failures.recovered())
            counts.failed = len(self.done) - counts.answered
        else:
            self._failures.clear()
        sittings = [*(before.sittings if before else []), sitting]
        self.account = Account(settings=dict(settings), counts=counts, sittings=sittings)
        self._save()
        return self.account

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Append outcomes; they are on the disk when this returns."""
        answered = [_answered(each) for each in outcomes if isinstance(each, Answered)]
        failed = [_failed(each) for each in outcomes if isinstance(each, Failure)]
        if answered:
            self._results.append(answered)
        if failed:
            self._failures.append(failed)
        for record in answered:
            self.account.counts.add(record)
        self.account.counts.failed += len(failed)
        self.account.sittings[-1].outcomes += len(outcomes)

    def end(self, state: State, seconds: float) -> Account:
        """Note how the sitting ended."""
        sitting = self.account.sittings[-1]
        sitting.seconds = round(seconds, 3)
        sitting.rate = round(sitting.outcomes / seconds, 4) if seconds else 0.0
        self.account.state = state
        self._save()
        return self.account

    def close(self) -> None:
        """Close the files and let the next one in."""
        self._results.close()
        self._failures.close()
        self._lock.release()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _before(self) -> Account | None:
        path = self.folder / ACCOUNT
        if not path.exists():
            return None
        try:
            return Account.model_validate_json(path.read_bytes())
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(
                f"{path} is no account of a batch: {reason}; give another --out"
            ) from None

    def _save(self) -> None:
        replace_text(self.folder / ACCOUNT, self.account.model_dump_json(indent=2) + "\n")


def now() -> str:
    """The time, for a sitting."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _must_agree(folder: Path, before: Account | None, settings: Mapping[str, Any]) -> None:
    cure = "give another --out, or --resume-anyway"
    if before is None:
        if (folder / RESULTS).exists():
            raise InputError(f"{folder} has results, but no {ACCOUNT} that says of what; {cure}")
        return
    for name, new in settings.items():
        old = before.settings.get(name)
        if old != new:
            raise InputError(
                f"{folder} was begun with {name} {_shown(old)}, not {_shown(new)}; {cure}"
            )


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _answered(outcome: Answered) -> dict[str, Any]:
    query, result = outcome.query, outcome.result.model_dump(mode="json")
    record = _asked(query)
    record |= {"content": result.pop("image")} | result
    if query.truths:
        record["truth"] = query.truths[0] if len(query.truths) == 1 else list(query.truths)
    if outcome.verdict:
        record["verdict"] = outcome.verdict
    return record | _carried(query)


def _failed(outcome: Failure) -> dict[str, Any]:
    query, told = outcome.query, {"error": outcome.kind, "reason": outcome.reason}
    if outcome.where:
        told["traceback"] = outcome.where
    if isinstance(query, Query):
        return _asked(query) | told | _carried(query)
    return {"id": query.id, "row": query.row} | told


def _asked(query: Query) -> dict[str, Any]:
    return {
        "id": query.id, "row": query.row, "image": query.reference, "question": query.question,
    }  # fmt: skip


def _carried(query: Query) -> dict[str, Any]:
    """The source's other columns; one whose name is taken gets `given_` before it."""
    columns = (query.carried or {}).items()
    return {f"given_{name}" if name in OURS else name: value for name, value in columns}
