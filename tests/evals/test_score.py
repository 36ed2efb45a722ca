"""What counts as right, and how sure a share is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.evals.score import verdict, wilson


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("2", "2", "right"),
        ("Yes.", "yes", "right"),
        ("The red  cube!", "red cube", "right"),
        ("“GATE”", "gate", "right"),
        ("x-ray", "X RAY", "right"),
        ("A", "A", "right"),
        ("a", "the", "wrong"),
        ("two", "2", "wrong"),
        ("yes and no", "yes", "wrong"),
        ("theatre", "atre", "wrong"),
        ("", "no", "no_answer"),
        (" ?! ", "no", "no_answer"),
    ],
)
def test_only_writing_may_differ(answer: str, truth: str, expected: str) -> None:
    assert verdict(answer, truth) == expected


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert wilson(right, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share(right: int, more: int) -> None:
    low, high = wilson(right, right + more)
    assert 0 <= low <= right / (right + more) <= high <= 1
