"""Contenders take turns, and what is reported is the middle."""

from functools import partial

import pytest

from foveal.evals.bench.timing import Sample, in_turn, quartiles, ratios, timed, typical


def test_every_contender_runs_once_a_round_and_another_one_begins_each_time() -> None:
    ran: list[str] = []

    def contender(name: str) -> float:
        ran.append(name)
        return float(len(ran))

    samples = in_turn({name: partial(contender, name) for name in "abc"}, 3, warm=1)
    assert ["".join(ran[n : n + 3]) for n in range(0, 12, 3)] == ["cab", "abc", "bca", "cab"]
    assert list(samples["a"].values) == [4, 9, 11]  # of the rounds after the warm-up
    assert samples["a"].median == 9


def test_a_call_is_the_middle_one_of_several() -> None:
    values = iter([5.0, 1.0, 9.0, 2.0, 2.0])
    assert typical(lambda: next(values), 5)() == 2.0


def test_ratios_are_taken_within_rounds() -> None:
    slow_machine = ratios(Sample((10.0, 100.0)), Sample((2.0, 20.0)))
    assert slow_machine.values == (5.0, 5.0)


@pytest.mark.parametrize(
    ("values", "expected"), [((3.0,), (3.0, 3.0)), ((1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 4.0))]
)
def test_quartiles(values: tuple[float, ...], expected: tuple[float, float]) -> None:
    assert quartiles(Sample(values)) == expected


def test_work_is_timed_to_its_end() -> None:
    done: list[bool] = []
    assert timed(lambda: done.append(True))() > 0
    assert done == [True]
