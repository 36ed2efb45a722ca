"""What an evaluation comes to: shares of right answers, and all that is needed to repeat it."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from foveal.evals.score import Verdict, verdict, wilson
from foveal.evals.splits import Split
from foveal.graphs.result import Result


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Scored:
    """One question, what was answered, and what that is worth."""

    scene: int
    family: str
    question: str
    truth: str
    result: Result
    verdict: Verdict


class Setting(_Frozen):
    """What was evaluated, on what."""

    task: str = "tabletop"
    split: Split
    seed: int
    profile: str
    tools: tuple[str, ...]
    """The perception actions that were allowed."""
    trigger: str = "none"
    """The phrase that followed every question, for checkpoints that are told when to look again."""
    gate: float | None = None
    """How sure the model had to be to answer without looking, if it might."""
    ablate: str = ""
    """What was taken away besides, as `agent eval --ablate` takes it."""


class Share(_Frozen):
    """Right answers among questions."""

    n: int
    right: int
    no_answer: int
    """Questions without an answer; they count as not right."""
    accuracy: float
    interval: tuple[float, float]
    """Wilson's 95 % interval of the accuracy."""
    majority: float
    """What always giving each family's most frequent answer would score on these very questions."""


class Report(Share):
    """The whole evaluation."""

    families: dict[str, Share]
    mean_hops: float
    mean_actions: float
    ended_by: dict[str, int]
    """How many runs ended with an answer of the model's own, how many at the gate and by each budget."""
    direct: Share | None = None
    """What the answers without looking are worth, where every question was asked so too."""
    seconds: float
    """Wall-clock time, drawing the scenes included."""
    setting: Setting
    version: str
    """Of this package."""
    machine: str


def reported(rows: Sequence[Scored], setting: Setting, seconds: float) -> Report:
    """The report on the rows."""
    names = dict.fromkeys(row.family for row in rows)
    families = {name: [row for row in rows if row.family == name] for name in names}
    return Report(
        **dict(_share(rows)),
        families={name: _share(some) for name, some in families.items()},
        mean_hops=_mean([row.result.usage.hops for row in rows]),
        mean_actions=_mean([row.result.usage.actions for row in rows]),
        ended_by=dict(Counter(row.result.ended_by for row in rows)),
        direct=_direct(rows),
        seconds=round(seconds, 3),
        setting=setting,
        version=version("foveal"),
        machine=platform.node(),
    )


def _share(rows: Sequence[Scored]) -> Share:
    verdicts = Counter(row.verdict for row in rows)
    right, n = verdicts["right"], len(rows)
    return Share(
        n=n,
        right=right,
        no_answer=verdicts["no_answer"],
        accuracy=right / n if n else 0.0,
        interval=wilson(right, n),
        majority=_majority(rows),
    )


def _direct(rows: Sequence[Scored]) -> Share | None:
    """The share of the answers without looking; None unless all are there."""
    answers = [row.result.direct for row in rows]
    judged = [
        replace(row, verdict=verdict(direct.answer, row.truth))
        for row, direct in zip(rows, answers, strict=True)
        if direct is not None
    ]
    return _share(judged) if judged and len(judged) == len(rows) else None


def _majority(rows: Sequence[Scored]) -> float:
    truths: dict[str, Counter[str]] = {}
    for row in rows:
        truths.setdefault(row.family, Counter())[row.truth] += 1
    return sum(max(counts.values()) for counts in truths.values()) / len(rows) if rows else 0.0


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
