"""What an evaluation comes to: shares of right answers, and all that is needed to repeat it."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from foveal.agent.actions import PerceptionKind
from foveal.evals.calibration import Reliability, reliability
from foveal.evals.helped import Use, helped
from foveal.evals.pointing import Pointing, pointing
from foveal.evals.questions import VISUAL
from foveal.evals.score import verdict, wilson
from foveal.evals.scored import Frozen, Scored
from foveal.evals.splits import Split
from foveal.evals.timing import Times, times
from foveal.graphs.doubt import looked


class Setting(Frozen):
    """What was evaluated, on what."""

    task: str = "tabletop"
    split: Split
    seed: int
    families: tuple[str, ...]
    """What was asked about, in turn."""
    profile: str
    tools: tuple[str, ...]
    """The perception actions that were allowed."""
    trigger: str = "none"
    """The phrase that followed every question, for checkpoints that are told when to look again."""
    gate: float | None = None
    """How sure the model had to be to answer without looking, if it might."""
    ablate: str = ""
    """What was taken away besides, as `agent eval --ablate` takes it."""
    verify: bool = False
    """Whether everything was asked again with what was seen withheld."""


class Share(Frozen):
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
    constant: float
    """What always giving one and the same answer would score on them, were it the best one for them."""


class Report(Share):
    """The whole evaluation."""

    families: dict[str, Share]
    visual: Share | None
    """The families whose answer only visual tokens can tell, where they were asked about."""
    mean_hops: float
    """Turns in which the model acted or wrote something malformed, per question."""
    mean_actions: float
    """Actions carried out, per question: the calls of specialists."""
    tools: dict[PerceptionKind, Use]
    """What each tool that was asked was good for."""
    regions: Pointing | None
    """Whether regions of the grid, where any was pointed at, contain what the question is about."""
    ece: float | None
    """Expected calibration error of the confidences; None where there are none."""
    reliability: Reliability | None
    time: Times
    ended_by: dict[str, int]
    """How many runs ended with an answer of the model's own, how many at the gate and by each budget."""
    direct: Share | None = None
    """What the answers without looking are worth, where every question was asked so too."""
    seconds: float
    """Wall-clock time of the last sitting, drawing the scenes included."""
    setting: Setting
    version: str
    """Of this package."""
    machine: str


def reported(rows: Sequence[Scored], setting: Setting, seconds: float) -> Report:
    """The report on the rows."""
    names = dict.fromkeys(row.family for row in rows)
    families = {name: [row for row in rows if row.family == name] for name in names}
    visual = [row for row in rows if row.family in VISUAL]
    calibrated = reliability(rows)
    return Report(
        **dict(share_of(rows)),
        families={name: share_of(some) for name, some in families.items()},
        visual=share_of(visual) if visual else None,
        mean_hops=_mean([row.result.usage.hops for row in rows]),
        mean_actions=_mean([row.result.usage.actions for row in rows]),
        tools=helped(rows, setting.verify),
        regions=pointing(rows),
        ece=calibrated.ece if calibrated else None,
        reliability=calibrated,
        time=times(rows),
        ended_by=dict(Counter(row.result.ended_by for row in rows)),
        direct=_direct(rows, setting.verify),
        seconds=round(seconds, 3),
        setting=setting,
        version=version("foveal"),
        machine=platform.node(),
    )


def share_of(rows: Sequence[Scored]) -> Share:
    """Right answers among these."""
    verdicts = Counter(row.verdict for row in rows)
    right, n = verdicts["right"], len(rows)
    return Share(
        n=n,
        right=right,
        no_answer=verdicts["no_answer"],
        accuracy=right / n if n else 0.0,
        interval=wilson(right, n),
        majority=_majority(rows),
        constant=max(Counter(row.truth for row in rows).values()) / n if n else 0.0,
    )


def _direct(rows: Sequence[Scored], verified: bool) -> Share | None:
    """The share of the answers without looking; None unless all are there."""
    judged = [
        row.model_copy(update={"verdict": verdict(answer, row.truth)})
        for row in rows
        if (answer := _without(row, verified)) is not None
    ]
    return share_of(judged) if judged and len(judged) == len(rows) else None


def _without(row: Scored, verified: bool) -> str | None:
    """The answer without looking, where it is known; verifying only asks for it where anything was seen."""
    if row.result.direct is not None:
        return row.result.direct.answer
    return row.result.answer if verified and not looked(row.result) else None


def _majority(rows: Sequence[Scored]) -> float:
    truths: dict[str, Counter[str]] = {}
    for row in rows:
        truths.setdefault(row.family, Counter())[row.truth] += 1
    return sum(max(counts.values()) for counts in truths.values()) / len(rows) if rows else 0.0


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
