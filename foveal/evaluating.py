"""`agent eval`: how often the agent is right, and how sure that is."""

import sys
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.evals.ablation import Ablation, Tell
from foveal.evals.report import Report, Scored, Share
from foveal.evals.runner import evaluate
from foveal.evals.splits import Split
from foveal.graphs.agent import Agent
from foveal.graphs.carriers import carrier
from foveal.graphs.choices import chosen
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


def tabletop(order: Order) -> int:
    """Questions about rendered tables; the report on stdout, progress on stderr if that is a terminal."""
    ablation = Ablation.parsed(order.ablate)
    tools = _tools(order.tools, ablation)
    agent, tell = _agent(order, tools, ablation)
    with own_stdout() as out, agent:
        allowed = chosen(tools, agent.profile)
        agent.fetch()
        progress = _Progress(order.limit, sys.stderr)
        progress.begin()
        report = evaluate(
            agent, order.limit, order.seed, order.split,
            tools=allowed, gate=order.gate, ablate=str(ablation), on_scene=tell, on_progress=progress.show,
        )  # fmt: skip
        progress.end()
        if order.as_json:
            out.write(report.model_dump_json() + "\n")
        else:
            _print(report, console(out))
        out.flush()
    return 0


def _agent(order: Order, tools: str | None, ablation: Ablation) -> tuple[Agent, Tell]:
    """The agent, and who is to be told the truth about each scene."""
    control = ablation.control(order.profile)
    if not ablation.interferes():
        agent = Agent(order.profile, tools=tools, gate=order.gate, control=control)
        return agent, lambda scene: None
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
    return agent, tell


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

    def begin(self) -> None:
        """The first answer takes its time: the model is loaded for it."""
        self._write("loading")

    def show(self, scored: Scored) -> None:
        """One question more."""
        self.asked += 1
        self.right += scored.verdict == "right"
        self._write(f"{self.asked} of {self.of} asked, {self.right / self.asked:.1%} right")

    def end(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if lively(self.out):
            self.out.write(f"\r{text.ljust(self._width)}" + ("" if text else "\r"))
            self.out.flush()
            self._width = len(text)


def _print(report: Report, shown: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("family")
    for heading in ("n", "right", "95 %", "no answer", "majority"):
        table.add_column(heading, justify="right")
    for name, share in report.families.items():
        table.add_row(name, *_cells(share))
    table.add_section()
    table.add_row(Text("all"), *_cells(report), style="bold")
    if report.direct is not None:
        table.add_row(Text("without looking"), *_cells(report.direct))
    shown.print(table)
    setting = report.setting
    shown.print(
        Text(
            f"\nprofile {setting.profile}, tools {' '.join(setting.tools) or 'none'}, "
            f"{setting.split} seed {setting.seed}"
            f"{f', without: {setting.ablate}' if setting.ablate else ''}{_gate(report)}\n"
            f"{report.mean_hops:.2f} hops a question, {report.seconds / report.n:.2f} s a question",
            style="dim",
        )
    )


def _gate(report: Report) -> str:
    if report.setting.gate is None:
        return ""
    share = report.ended_by.get("gate", 0) / report.n
    return f", gate {report.setting.gate:g}: {share:.1%} answered without looking"


def _cells(share: Share) -> tuple[str, ...]:
    low, high = share.interval
    return (
        str(share.n),
        f"{share.accuracy:.1%}",
        f"{100 * low:.0f} to {100 * high:.0f}",
        str(share.no_answer),
        f"{share.majority:.1%}",
    )
