"""Two evaluations are compared question by question."""

from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.evals.difference import difference


def rows(row: Any, answers: str) -> list[Any]:
    return [row(answer, "1", scene=n) for n, answer in enumerate(answers)]


def test_only_questions_that_differ_make_a_gain(row: Any) -> None:
    found = difference(rows(row, "1111000000" * 10), rows(row, "1100100000" * 10))
    assert found.n == 100
    assert found.gain == pytest.approx(0.1)
    # 20 gained, 10 lost: sqrt((30 / 100 - 0.01) / 100) = 0.0539
    assert found.interval == pytest.approx((0.1 - 1.96 * 0.05385, 0.1 + 1.96 * 0.05385), abs=1e-4)


def test_the_same_answers_differ_by_nothing(row: Any) -> None:
    found = difference(rows(row, "1010"), rows(row, "1010"))
    assert (found.gain, found.interval) == (0.0, (0.0, 0.0))


def test_other_questions_cannot_be_compared(row: Any) -> None:
    for others in (rows(row, "101"), [*rows(row, "101"), row("1", "1", scene=9)], []):
        with pytest.raises(InputError, match="same questions"):
            difference(rows(row, "1010"), others)
    with pytest.raises(InputError):
        difference([], [])
