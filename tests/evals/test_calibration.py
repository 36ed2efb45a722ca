"""Confidence against right answers, and the map that brings them together."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from foveal.agent.native.calibration import straight
from foveal.agent.observations import Failed, Looked
from foveal.evals.calibration import KNOTS, Said, fitted, isotonic, reliability, said


def claims(confidence: Any, right: Any, seen: Any = None) -> Said:
    confidence = np.asarray(confidence, dtype=np.float64)
    seen = np.zeros(len(confidence), bool) if seen is None else np.asarray(seen)
    return Said(confidence, np.asarray(right, dtype=np.float64), seen)


def test_the_error_is_the_mean_gap_of_equally_wide_bins(row: Any) -> None:
    rows = [
        *(row("1", "1", 0.95) for _ in range(3)),
        row("1", "2", 0.95),  # one bin: said 0.95, right 0.75
        row("1", "2", 0.1),
        row("1", "1", 0.1),  # another: said 0.1, right 0.5
    ]
    found = reliability(rows)
    assert found is not None
    assert found.ece == pytest.approx((4 * 0.2 + 2 * 0.4) / 6)
    assert [(one.n, one.accuracy) for one in found.bins] == [(2, 0.5), (4, 0.75)]
    assert [(round(15 * one.low), round(15 * one.high)) for one in found.bins] == [(1, 2), (14, 15)]


def test_both_ends_have_a_bin(row: Any) -> None:
    found = reliability([row("1", "1", 1.0), row("1", "2", 0.0)])
    assert found is not None
    assert (found.ece, found.n) == (0.0, 2)
    assert [one.low for one in found.bins] == [0.0, 14 / 15]


def test_what_claims_nothing_is_left_out(row: Any) -> None:
    rows = [row("unknown", "2", 0.9), row("2", "2", None), row("", "2", 0.3)]
    assert reliability(rows) is None
    assert reliability([*rows, row("2", "2", 0.9)]).n == 1  # type: ignore[union-attr]  # there is one


def test_answers_after_something_came_back_are_told_apart(row: Any) -> None:
    failed = Failed(error="specialist", message="out of order")
    rows = [row("1", "1", 0.5), row("1", "1", 0.5, failed), row("1", "1", 0.5, Looked())]
    assert said(rows).seen.tolist() == [False, False, True]


def test_the_map_is_monotone_has_few_knots_and_finds_the_true_shares() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(6000)
    knots = isotonic(claims(confidence, rng.random(6000) < confidence**2))
    assert 3 < len(knots) <= KNOTS
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(knots))
    for x in (0.2, 0.5, 0.8):
        assert straight(knots, x) == pytest.approx(x**2, abs=0.05)


def test_equal_confidences_are_one_knot_and_violators_are_pooled() -> None:
    assert isotonic(claims([1.0] * 40, [1.0] * 30 + [0.0] * 10)) == ((1.0, 0.743902),)
    falling = isotonic(claims(np.linspace(0, 1, 40), [1.0] * 20 + [0.0] * 20))
    assert falling == ((0.5, 0.5),)


def test_few_answers_make_no_certainty() -> None:
    ((_, share),) = isotonic(claims([0.9] * 4, [1.0] * 4))
    assert share == pytest.approx(0.9)
    with pytest.raises(ValueError, match="no answers"):
        isotonic(claims([], []))


def test_looks_get_a_map_of_their_own_where_that_is_better() -> None:
    rng = np.random.default_rng(1)
    confidence, seen = rng.random(800), rng.random(800) < 0.5
    apart = fitted(claims(confidence, rng.random(800) < np.where(seen, 0.95, 0.2), seen))
    assert straight(apart.seen, 0.5) > 0.9
    assert straight(apart.unseen, 0.5) < 0.3
    few = fitted(claims(confidence[:60], rng.random(60) < 0.5, seen[:60]))
    assert few.seen == few.unseen


def test_the_fitted_map_calibrates(row: Any) -> None:
    rng = np.random.default_rng(2)
    confidence = 1 - rng.random(6000) ** 3
    right = rng.random(6000) < 0.3 + 0.5 * confidence
    learnt = fitted(claims(confidence[:3000], right[:3000]))
    rows = [
        row("1", "1" if good else "2", learnt.of(float(x), seen=False))
        for x, good in zip(confidence[3000:], right[3000:], strict=True)
    ]
    raw = [
        row("1", "1" if good else "2", float(x))
        for x, good in zip(confidence[3000:], right[3000:], strict=True)
    ]
    before, after = reliability(raw), reliability(rows)
    assert before is not None
    assert after is not None
    assert after.ece < 0.05 < before.ece
