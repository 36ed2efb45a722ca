"""The folder of a batch says what was done, and is taken over only by the same batch."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.graphs.batch import Answered, Failure, Outcome
from foveal.graphs.budgets import Spent
from foveal.graphs.journal import Account, Journal, Sitting, now
from foveal.graphs.query import Query, Unreadable
from foveal.graphs.result import Result

SETTINGS = {"profile": {"name": "embedded"}, "tools": ["look"]}


def asked(name: str, **options: Any) -> Query:
    return Query(1, name, "https://example.org/a.png", "https://example.org/a.png", "?", **options)


def answered(name: str, answer: str = "2", verdict: Any = None, **options: Any) -> Answered:
    result = Result(
        answer=answer, confidence=0.5, hops=(), evidence=(), ended_by="answer", usage=Spent(), seconds=1.0,
        trace=None, notes=(), run="r", image="hash",
    )  # fmt: skip
    return Answered(asked(name, **options), result, verdict)


def failed(name: str) -> Failure:
    return Failure(asked(name), "InputError", "it is damaged")


Begin = Callable[..., Journal]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Opens the folder again, as a new start of the command would; the one before has ended."""
    opened: list[Journal] = []

    def begin_(settings: Any = SETTINGS, **options: Any) -> Journal:
        for before in opened:
            before.close()
        opened.append(Journal(tmp_path / "out"))
        opened[-1].begin(settings, 10, Sitting(began=now()), **options)
        return opened[-1]

    yield begin_
    for journal in opened:
        journal.close()


def lines(journal: Journal, name: str) -> list[dict[str, Any]]:
    path = journal.folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_result_has_what_was_asked_what_came_of_it_and_the_other_columns(begin: Begin) -> None:
    journal = begin()
    carried = {"colour": "red", "answer": "taken", "confidence": 3}
    outcome = answered("a", verdict="right", truths=("2", "two"), carried=carried)
    journal.keep([outcome])
    (record,) = lines(journal, "results.jsonl")
    assert record == outcome.result.model_dump(mode="json") | {
        "id": "a", "row": 1, "image": "https://example.org/a.png", "question": "?", "content": "hash",
        "truth": ["2", "two"], "verdict": "right",
        "colour": "red", "given_answer": "taken", "given_confidence": 3,
    }  # fmt: skip


def test_failures_have_a_reason(begin: Begin) -> None:
    journal = begin()
    bug = Failure(asked("b"), "ZeroDivisionError", "division by zero", "Traceback ...")
    journal.keep(
        [failed("a"), bug, Failure(Unreadable(3, "line 3", "not JSON"), "InputError", "not JSON")]
    )
    one, two, three = lines(journal, "failures.jsonl")
    assert (one["id"], one["error"], one["reason"]) == ("a", "InputError", "it is damaged")
    assert two["traceback"] == "Traceback ..."
    assert three == {"id": "line 3", "row": 3, "error": "InputError", "reason": "not JSON"}
    assert lines(journal, "results.jsonl") == []


def test_the_account(begin: Begin) -> None:
    journal = begin()
    many: list[Outcome] = [
        answered("a", verdict="right"),
        answered("b", "", "no_answer"),
        failed("c"),
    ]
    journal.keep(many)
    journal.end("interrupted", 2.0)
    account = Account.model_validate_json((journal.folder / "run.json").read_bytes())
    counts = {"questions": 10, "answered": 2, "no_answer": 1, "failed": 1, "judged": 2, "right": 1}
    assert account.counts.model_dump() == counts
    assert account.counts.left == 7
    assert (account.state, account.settings, account.sittings[0].rate) == (
        "interrupted",
        SETTINGS,
        1.5,
    )


def test_going_on_counts_what_is_there_and_tries_failures_again(begin: Begin) -> None:
    begin().keep([answered("a", verdict="wrong"), failed("b")])
    again = begin()
    assert again.done == {"a"}
    assert (again.account.counts.answered, again.account.counts.failed) == (1, 0)
    assert (again.account.counts.judged, len(again.account.sittings)) == (1, 2)
    assert lines(again, "failures.jsonl") == []


def test_failures_may_stay(begin: Begin) -> None:
    begin().keep([answered("a"), failed("b")])
    again = begin(keep_failures=True)
    assert again.done == {"a", "b"}
    again.keep([failed("c")])
    assert again.account.counts.failed == 2
    assert [record["id"] for record in lines(again, "failures.jsonl")] == ["b", "c"]


def test_a_half_written_result_is_asked_again(begin: Begin) -> None:
    journal = begin()
    journal.keep([answered("a"), answered("b")])
    path = journal.folder / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    again = begin()
    assert again.done == {"a"}
    again.keep([answered("b")])
    assert [record["id"] for record in lines(again, "results.jsonl")] == ["a", "b"]


def test_other_settings_are_refused_by_name(begin: Begin) -> None:
    begin().keep([answered("a")])
    other = SETTINGS | {"tools": ["look", "read"]}
    reason = r"was begun with tools \['look'\], not \['look', 'read'\]; give another --out, or"
    with pytest.raises(InputError, match=reason):
        begin(other)
    mixed = begin(other, mixed=True)
    assert mixed.done == {"a"}
    assert mixed.account.settings == other


def test_results_of_nobody_knows_what_are_refused(begin: Begin) -> None:
    journal = begin()
    journal.keep([answered("a")])
    (journal.folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"no run\.json that says of what"):
        begin()


def test_a_foreign_account_is_refused(begin: Begin) -> None:
    (begin().folder / "run.json").write_text('{"model": "another tool"}')
    with pytest.raises(InputError, match=r"run\.json is no account of a batch"):
        begin()


def test_two_at_once_are_refused(begin: Begin) -> None:
    journal = begin()
    with pytest.raises(InputError, match="is being written by another run"):
        Journal(journal.folder)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to"):
        Journal(tmp_path / "file" / "out")
