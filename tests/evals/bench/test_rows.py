"""Which rows are measured, and when one is good enough."""

from collections.abc import Mapping

import pytest

from foveal.agent.errors import InputError, SetupError
from foveal.evals.bench.row import Finding, Spec, less_time, more_often, rounded, within
from foveal.evals.bench.rows import ROWS, measured, named
from foveal.evals.bench.timing import Sample

SAMPLES = {"ours": Sample((0.001, 0.002, 0.003)), "theirs": Sample((0.010, 0.020, 0.060))}


def finding(ratio: float) -> Finding:
    return Finding(ratio, (ratio, ratio), "ms", {"ours": 1.0})


class Counting:
    """A family of two rows that counts its runs."""

    def __init__(self) -> None:
        self.rounds: list[int | None] = []

    def __call__(self, rounds: int | None) -> Mapping[str, Finding]:
        self.rounds.append(rounds)
        return {"good": finding(2.0), "bad": finding(1.999)}


def absent(rounds: int | None) -> Mapping[str, Finding]:
    raise SetupError("ray is not installed", "pip install 'foveal[ray]'")


def test_rows_of_a_family_share_one_run_and_are_held_against_their_targets() -> None:
    family = Counting()
    rows = {"good": Spec("g", 2, family), "bad": Spec("b", 2, family)}
    good, bad = measured(["good", "bad"], 3, rows)
    assert family.rounds == [3]
    assert (good.name, good.ratio, good.target, good.ok) == ("good", 2.0, 2, True)
    assert bad.ok is False


def test_only_what_is_named_is_reported() -> None:
    family = Counting()
    rows = {"good": Spec("g", 2, family), "bad": Spec("b", 2, family)}
    assert [row.name for row in measured(["bad"], None, rows)] == ["bad"]


def test_what_cannot_be_measured_here_is_neither_good_nor_bad_and_says_why() -> None:
    told: list[list[str]] = []
    rows = {"row": Spec("r", 2, absent)}
    (row,) = measured(["row"], None, rows, lambda names: told.append(list(names)))
    assert (row.ratio, row.ok) == (None, None)
    assert row.detail == "ray is not installed; pip install 'foveal[ray]'"
    assert told == [["row"]]


def test_names_keep_the_order_of_the_table() -> None:
    assert named(None) == list(ROWS)
    assert named(["checkpoint-size", "image-http"]) == ["image-http", "checkpoint-size"]
    with pytest.raises(InputError, match=r"no benchmark 'speed'; known: image-http, .*"):
        named(["speed"])


def test_ratios_say_how_many_times_better_ours_is() -> None:
    faster = less_time(SAMPLES, "ours", "theirs")
    assert faster.ratio == pytest.approx(10)
    assert faster.spread == pytest.approx((10, 15))
    assert faster.numbers == pytest.approx({"ours": 2, "theirs": 20})
    rates = {"ours": Sample((30.0,)), "theirs": Sample((10.0,))}
    assert more_often(rates, "ours", "theirs", "per s").ratio == pytest.approx(3)


def test_a_limit_is_kept_when_it_is_at_least_what_was_measured() -> None:
    assert within(5, Sample((4.0, 5.0, 6.0)), "ms").ratio == 1
    assert within(5, Sample((5.1,)), "ms").ratio < 1
    assert within(5, Sample((4.0, 4.0, 8.0)), "ms").spread[0] < 1


@pytest.mark.parametrize(
    ("value", "short"), [(3.14159, 3.142), (1234.0, 1234), (0.000123456, 0.0001235)]
)
def test_numbers_are_reported_with_four_digits(value: float, short: float) -> None:
    assert rounded(value) == short


def test_the_promised_targets() -> None:
    promised = {
        "image-http": 25, "image-pil": 20, "batch-singly": 3.5, "batch-serve": 1.3,
        "segment-again": 10, "hop-overhead": 1, "checkpoint-size": 1, "decode-8-tiny": 2.5,
        "decode-8-2b": 2.5, "reencode-token-tiny": 2, "reencode-token-2b": 2, "second-hop-prefill": 1,
    }  # fmt: skip
    assert {name: ROWS[name].target for name in promised} == promised
