"""`agent eval tabletop`: how often the agent is right, and how sure that is."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.eval_table import show
from foveal.evals.ablation import Ablation, Tell
from foveal.evals.earlier import last_calls
from foveal.evals.interference import Interference
from foveal.evals.kept import Kept
from foveal.evals.questions import FAMILIES
from foveal.evals.report import Report
from foveal.evals.runner import Listeners, Plan, evaluate
from foveal.evals.scored import Scored
from foveal.evals.splits import Split
from foveal.graphs.agent import Agent
from foveal.graphs.carriers import carrier
from foveal.graphs.choices import chosen
from foveal.identity import identity
from foveal.terminal import console, lively, own_stdout
from foveal.tools.store import ImageStore


@dataclass(frozen=True)
class Order:
    """What was typed."""

    limit: int
    seed: int
    profile: Profile
    tools: str | None = None
    ablate: str | None = None
    as_json: bool = False
    gate: float | None = None
    split: Split = "test"
    families: str | None = None
    """By comma; None for all."""
    verify: bool = False
    out: Path | None = None
    """A folder that keeps what was asked, and in which it is gone on with."""


def tabletop(order: Order) -> int:
    """Questions about rendered tables; the report on stdout, progress on stderr if that is a terminal."""
    with own_stdout() as out:
        report = measured(order)
        if order.as_json:
            out.write(report.model_dump_json() + "\n")
        else:
            show(report, console(out))
        out.flush()
    return 0


def measured(order: Order) -> Report:
    """Ask what is to be asked, or what of that is not kept yet."""
    ablation = Ablation.parsed(order.ablate)
    tools = _tools(order.tools, ablation)
    if order.out is not None and ablation.h == "other":
        raise InputError("h=other cannot be gone on with after an interruption; leave out --out")
    with ExitStack() as stack:
        agent, between, tell = _agent(order, tools, ablation)
        stack.enter_context(agent)
        plan = _plan(order, chosen(tools, agent.profile), ablation)
        agent.fetch()
        decides = plan.setting(agent.profile).model_dump(mode="json") | identity(agent.profile)
        kept = None
        if order.out is not None:
            kept = stack.enter_context(Kept(order.out, decides))
            if between is not None and ablation.observation == "shuffle":
                between.recall(last_calls(kept.rows[: plan.limit], plan.split, between.store))
        progress = _Progress(order.limit, sys.stderr)
        progress.begin(kept.rows[: plan.limit] if kept else [])
        report = evaluate(agent, plan, kept, Listeners(tell, progress.show))
        progress.end()
        if kept is not None:
            kept.end(report.model_dump_json(indent=2))
    return report


def _plan(order: Order, tools: tuple[str, ...], ablation: Ablation) -> Plan:
    names = FAMILIES if order.families is None else tuple(map(str.strip, order.families.split(",")))
    return Plan(
        limit=order.limit,
        seed=order.seed,
        split=order.split,
        families=names,
        tools=tools,
        gate=order.gate,
        ablate=str(ablation),
        verify=order.verify,
    )


def _agent(
    order: Order, tools: str | None, ablation: Ablation
) -> tuple[Agent, Interference | None, Tell]:
    """The agent, who tampers with what it is told, and who is to be told the truth about each scene."""
    control = ablation.control(order.profile)
    if not ablation.interferes():
        agent = Agent(order.profile, tools=tools, gate=order.gate, control=control)
        return agent, None, lambda scene: None
    store = ImageStore()
    between, tell = ablation.interfered(carrier(order.profile, store, None, {}), store)
    agent = Agent(
        order.profile,
        tools=tools,
        gate=order.gate,
        control=control,
        dispatcher=between,
        store=store,
    )
    return agent, between, tell


def _tools(tools: str | None, ablation: Ablation) -> str | None:
    if ablation.tools == "own":
        return tools
    if tools is not None:
        raise InputError("--tools and --ablate tools=none exclude each other: name one")
    return "none"


@dataclass
class _Progress:
    """One line that counts, on a terminal."""

    of: int
    out: TextIO
    asked: int = 0
    right: int = 0
    _width: int = field(default=0, init=False)

    def begin(self, rows: list[Scored]) -> None:
        """The first answer takes its time: the model is loaded for it."""
        self.asked, self.right = len(rows), sum(row.right for row in rows)
        self._write(f"{self.asked} of {self.of} were asked before; loading" if rows else "loading")

    def show(self, scored: Scored) -> None:
        """One question more."""
        self.asked += 1
        self.right += scored.right
        self._write(f"{self.asked} of {self.of} asked, {self.right / self.asked:.1%} right")

    def end(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if lively(self.out):
            self.out.write(f"\r{text.ljust(self._width)}" + ("" if text else "\r"))
            self.out.flush()
            self._width = len(text)
