"""All questions are checked before the first is asked, and each has an id of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.graphs.query import Query, Unreadable, content_id
from foveal.graphs.questionnaire import Questionnaire
from foveal.graphs.sheet import opened

Write = Callable[..., Questionnaire]
A = {"image": "a.png", "question": "?"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A questionnaire of rows; text stands as it is."""

    def write_(*rows: Any, **options: Any) -> Questionnaire:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "q.jsonl").write_text("\n".join(lines))
        return Questionnaire(opened(str(tmp_path / "q.jsonl")), **options)

    return write_


def test_ids(write: Write) -> None:
    name, other = content_id("a.png", "?"), content_id("b.png", "?")
    rows = [A, A | {"id": "x"}, A | {"image": "b.png"}, A, A | {"answer": "2"}]
    assert write(*rows).check().ids == (name, "x", other, f"{name}-2", f"{name}-3")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "line 3: not JSON"),
        ({"image": "a.png"}, "line 3: no column 'question'"),
        (A | {"id": "x"}, "line 3: id 'x' was given before"),
    ],
)
def test_the_first_bad_line_is_named(write: Write, row: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"q.jsonl {reason}"):
        write(A | {"id": "x"}, A, row, A).check()


def test_bad_lines_may_become_failures(write: Write) -> None:
    good, bad, twice = write(A | {"id": "x"}, "{", A | {"id": "x"}, lenient=True)
    assert isinstance(good, Query)
    assert isinstance(bad, Unreadable)
    assert (bad.row, bad.id) == (2, "line 2")
    assert twice == Unreadable(3, "line 3", "id 'x' was given before")


def test_no_questions(write: Write) -> None:
    with pytest.raises(InputError, match=r"q\.jsonl holds no questions"):
        write("", "").check()


def test_the_digest_is_of_what_is_asked(write: Write) -> None:
    rows = [A, A | {"image": "b.png"}]
    before = write(*rows).check()
    assert write(*rows).check() == before
    assert write(rows[0] | {"colour": "red"}, rows[1]).check() == before  # only carried
    changed = [rows[::-1], rows[:1], [A | {"answer": "2"}, rows[1]], [A | {"id": "x"}, rows[1]]]
    digests = {write(*some).check().sha256 for some in changed}
    assert len(digests | {before.sha256}) == 5


def test_pending(write: Write) -> None:
    questions = write(*(A | {"id": str(n)} for n in range(6)))
    assert [item.id for item in questions.pending({"1", "4"}, 5)] == ["0", "2", "3"]


def test_columns_may_have_other_names(write: Write) -> None:
    row = {"img": "a.png", "answer": "How many?", "label": 2, "question": "unused", "n": 1}
    names = {"image": "img", "question": "answer", "answer": "label"}
    (item,) = write(row, names=names)
    assert isinstance(item, Query)
    assert (item.reference, item.question, item.truths) == ("a.png", "How many?", ("2",))
    assert item.carried == {"n": 1}


def test_a_name_must_be_there(write: Write) -> None:
    reason = "line 2: no column 'img' for the image; it has 'image', 'question'"
    with pytest.raises(InputError, match=reason):
        write({"img": "a", "question": "?"}, A, names={"image": "img"}).check()
