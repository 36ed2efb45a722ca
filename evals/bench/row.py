"""What a benchmark finds, and what is reported of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from foveal.evals.bench.timing import Sample, quartiles, ratios


@dataclass(frozen=True)
class Finding:
    """One row's numbers, before they are held against the target."""

    ratio: float
    """How many times better than what it is compared with; 1.0 is the same."""
    spread: tuple[float, float]
    """Between which the middle half of the rounds lies."""
    unit: str
    """Of the numbers below."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by contender: medians where there were several rounds."""
    detail: str = ""


Family = Callable[[int | None], Mapping[str, Finding]]
"""Rows that are measured together, by name. Given the number of rounds, or None for its own.

Raises SetupError where it cannot be measured.
"""


@dataclass(frozen=True)
class Spec:
    """What a row promises."""

    what: str
    target: float
    """The smallest ratio that is good enough."""
    family: Family


class Row(BaseModel):
    """One row of the report: `ok` is whether `ratio` reaches `target`; both are null when it was not measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ratio: float | None
    target: float
    ok: bool | None
    what: str
    spread: tuple[float, float] | None = None
    unit: str = ""
    numbers: dict[str, float] = {}
    detail: str = ""
    """Why it was not measured, or what else there is to say."""


def judged(name: str, spec: Spec, finding: Finding) -> Row:
    """The finding against the row's target."""
    return Row(
        name=name,
        ratio=rounded(finding.ratio),
        target=spec.target,
        ok=finding.ratio >= spec.target,
        what=spec.what,
        spread=(rounded(finding.spread[0]), rounded(finding.spread[1])),
        unit=finding.unit,
        numbers={key: rounded(value) for key, value in finding.numbers.items()},
        detail=finding.detail,
    )


def unmeasured(name: str, spec: Spec, reason: str) -> Row:
    """A row without numbers."""
    return Row(name=name, ratio=None, target=spec.target, ok=None, what=spec.what, detail=reason)


def rounded(value: float) -> float:
    """Four digits that count; whole numbers stay whole."""
    return value if value == int(value) else float(f"{value:.4g}")


def less_time(samples: Mapping[str, Sample], ours: str, other: str) -> Finding:
    """How many times less time ours takes than the other; samples are in seconds."""
    numbers = {name: 1000 * sample.median for name, sample in samples.items()}
    ratio = samples[other].median / samples[ours].median
    spread = quartiles(ratios(samples[other], samples[ours]))
    return Finding(ratio, spread, "ms", numbers, _rounds(samples))


def more_often(samples: Mapping[str, Sample], ours: str, other: str, unit: str) -> Finding:
    """How many times as much ours does in the same time as the other; samples are rates."""
    numbers = {name: sample.median for name, sample in samples.items()}
    ratio = samples[ours].median / samples[other].median
    spread = quartiles(ratios(samples[ours], samples[other]))
    return Finding(ratio, spread, unit, numbers, _rounds(samples))


def within(limit: float, sample: Sample, unit: str) -> Finding:
    """How many times the measured amount fits into the limit, so that 1.0 is the target of every limit."""
    low, high = quartiles(sample)
    spread = (limit / high, limit / low)
    numbers = {"measured": sample.median, "limit": limit}
    return Finding(limit / sample.median, spread, unit, numbers)


def _rounds(samples: Mapping[str, Sample]) -> str:
    count = min(len(sample.values) for sample in samples.values())
    return f"{count} rounds, medians" if count > 1 else "1 round"
