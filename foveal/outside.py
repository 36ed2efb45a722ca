"""`agent eval outside`: how often the agent claims to know what it cannot know."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from foveal.agent.profiles import Profile
from foveal.evals.kept import Kept
from foveal.evals.outside import Asking, Confident, Outside, askings, count, outside
from foveal.evals.scored import Scored
from foveal.graphs.agent import Agent
from foveal.graphs.doubt import LOW
from foveal.identity import identity
from foveal.terminal import console, own_stdout, waiting

SHOWN = 8
"""Confident answers that are listed."""


@dataclass(frozen=True)
class Order:
    """What was typed."""

    profile: Profile
    limit: int | None = None
    """Questions of each kind; None for all there are."""
    seed: int = 0
    as_json: bool = False
    out: Path | None = None


def tell(order: Order) -> int:
    """The report on stdout."""
    with own_stdout() as out:
        report = measured(order)
        if order.as_json:
            out.write(report.model_dump_json() + "\n")
        else:
            _show(report, console(out))
        out.flush()
    return 0


def measured(order: Order) -> Outside:
    """Ask what is not kept yet."""
    with ExitStack() as stack:
        agent = stack.enter_context(Agent(order.profile))
        agent.fetch()
        decides: dict[str, Any] = {"task": "outside", "seed": order.seed} | identity(agent.profile)
        kept = None if order.out is None else stack.enter_context(Kept(order.out, decides))
        say = stack.enter_context(waiting("asking about what lies outside"))
        total = 2 * count(order.limit)
        rows = list(kept.rows[:total]) if kept else []
        known = len(rows)
        for number, asking in enumerate(askings(order.seed, order.limit) if known < total else ()):
            if number < known:
                continue
            say(f"asking question {number + 1} of {total}")
            rows.append(_asked(agent, asking))
            if kept:
                kept.add(rows[-1])
        report = outside(rows)
        if kept:
            kept.end(report.model_dump_json(indent=2))
    return report


def _asked(agent: Agent, asking: Asking) -> Scored:
    result = agent.ask(asking.image, asking.question)
    height, width, _ = asking.image.shape
    return Scored(
        scene=int(asking.name) if asking.name.isdecimal() else 0,
        family=asking.kind,
        question=asking.question,
        truth="unknown",
        result=result,
        verdict="no_answer",
        size=(width, height),
        judged=(None,) * len(result.hops),
    )


def _show(report: Outside, shown: Console) -> None:
    for name, share in [*report.kinds.items(), ("all", report)]:
        shown.print(f"{name:12} {_told(share)}")
    told = [f"{answer} ({n})" for answer, n in list(report.answers.items())[:SHOWN]]
    shown.print(f'\nconfident: {LOW:g} or surer, and not an answer like "unknown"', style="dim")
    if told:
        shown.print(f"among them: {', '.join(told)}", style="dim", markup=False)


def _told(share: Confident) -> str:
    low, high = share.interval
    return (
        f"{share.confident} of {share.n} answered confidently, {share.share:.1%} "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f})"
    )
