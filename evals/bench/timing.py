"""Measuring in turn: whatever slows the machine down for a while then slows every contender down."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

Measure = Callable[[], float]
"""Does the work once and returns what it measured: seconds, or things per second."""


@dataclass(frozen=True)
class Sample:
    """What one contender measured, round by round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)


def timed(work: Callable[[], object]) -> Measure:
    """The work as a contender that measures its seconds."""

    def measure() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measure


def typical(measure: Measure, calls: int) -> Measure:
    """The middle one of several calls in a row: what a call costs somebody who calls often."""
    return lambda: median(measure() for _ in range(calls))


def in_turn(contenders: Mapping[str, Measure], rounds: int, warm: int = 1) -> dict[str, Sample]:
    """Every contender once a round, starting with another one each time; `warm` rounds before do not count."""
    names = list(contenders)
    values: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm, rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            value = contenders[name]()
            if turn >= 0:
                values[name].append(value)
    return {name: Sample(tuple(some)) for name, some in values.items()}


def ratios(above: Sample, below: Sample) -> Sample:
    """`above` over `below`, round by round."""
    return Sample(tuple(a / b for a, b in zip(above.values, below.values, strict=True)))


def quartiles(sample: Sample) -> tuple[float, float]:
    """Between which the middle half of the rounds lies; of a single round, that round."""
    if len(sample.values) < 2:
        return sample.values[0], sample.values[0]
    low, _, high = quantiles(sample.values, n=4, method="inclusive")
    return low, high
