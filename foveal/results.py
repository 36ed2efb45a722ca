"""`agent eval results`: every evaluation that the published table needs, one after the other, and the table."""

import sys
from dataclasses import dataclass
from pathlib import Path

from foveal import evaluating, outside, specialist_scores
from foveal.agent.loudness import quiet
from foveal.agent.profiles import Profile
from foveal.evals.kept import kept_rows
from foveal.evals.outside import PHOTOGRAPHS, Outside, count, photograph
from foveal.evals.questions import VISUAL
from foveal.evals.report import Report
from foveal.evals.scored import Scored
from foveal.evals.splits import Split
from foveal.graphs.ledger import replace_text
from foveal.machine import machine
from foveal.results_table import put, rows_of, written
from foveal.specialist_scores import Scores


@dataclass(frozen=True)
class Order:
    """What was typed."""

    out: Path
    profile: Profile
    limit: int = 600
    seed: int = 0
    write: Path | None = None
    named: str | None = None
    """The profile as typed, if one was."""

    @property
    def whose(self) -> str:
        """What names the profile in a command."""
        return "" if self.named is None else f" --profile {self.named}"


@dataclass(frozen=True)
class Run:
    """One `agent eval tabletop`."""

    name: str
    """Of its folder below --out."""
    split: Split = "test"
    tools: str | None = None
    ablate: str | None = None
    families: str | None = None

    def command(self, order: Order) -> str:
        """What gives the same numbers by itself."""
        options = {
            "--split": self.split, "--tools": self.tools, "--ablate": self.ablate,
            "--families": self.families,
        }  # fmt: skip
        said = " ".join(f"{name} {value}" for name, value in options.items() if value)
        where = f"--limit {order.limit} --seed {order.seed} --out {order.out / self.name}"
        return f"agent eval tabletop {said} {where}{order.whose}"


AGAIN = "count,exist,shape,nearer,larger"
"""Families that the embedded model was taught to answer by re-encoding, where nothing else may be asked."""
RUNS = (
    Run("test"),
    Run("no-tools", ablate="tools=none"),
    Run("observation-blank", ablate="observation=blank"),
    Run("observation-shuffle", ablate="observation=shuffle"),
    Run("observation-oracle", ablate="observation=oracle"),
    Run("visual", families=",".join(VISUAL)),
    Run("visual-tokens-blank", families=",".join(VISUAL), ablate="tokens=blank"),
    Run("hard", split="hard"),
    Run("regions", tools="look,read"),
    Run("reencode", tools="reencode", families=AGAIN),
    Run("reencode-not", families=AGAIN, ablate="tools=none"),
    Run("reencode-h-zero", tools="reencode", families=AGAIN, ablate="h=zero"),
    Run("reencode-tokens-blank", tools="reencode", families=AGAIN, ablate="tokens=blank"),
)


@dataclass(frozen=True)
class Measured:
    """Everything that the table is made of."""

    reports: dict[str, Report]
    rows: dict[str, list[Scored]]
    commands: dict[str, str]
    scores: Scores
    outside: Outside
    megabytes: float


def results(order: Order) -> int:
    """Do what is not done yet; print the table as Markdown, and write it where that is asked."""
    table = written(rows_of(measured(order)), machine("torch", "transformers", "ultralytics"))
    sys.stdout.write(table)
    if order.write is not None:
        page = order.write.read_text(encoding="utf-8") if order.write.is_file() else ""
        replace_text(order.write, put(page, table))
    return 0


def measured(order: Order) -> Measured:
    """Everything, what is kept already being read."""
    photograph(PHOTOGRAPHS[0])  # missing, they are missed now and not hours later
    reports = {run.name: _reported(run, order) for run in RUNS}
    _say("specialists")
    folder, scenes = order.out / "specialists", min(order.limit, specialist_scores.SCENES)
    scored = specialist_scores.Order(order.profile, "test", scenes, folder)
    _say("outside")
    asked = outside.Order(order.profile, count(order.limit), order.seed, out=order.out / "outside")
    commands = {run.name: run.command(order) for run in RUNS} | {
        "specialists": f"agent eval specialists --split test --scenes {scenes} --out {folder}{order.whose}",
        "outside": f"agent eval outside --limit {asked.limit} --seed {order.seed} --out {asked.out}{order.whose}",
    }
    return Measured(
        reports=reports,
        rows={run.name: kept_rows(order.out / run.name)[: order.limit] for run in RUNS},
        commands=commands,
        scores=specialist_scores.measured(scored),
        outside=outside.measured(asked),
        megabytes=_megabytes(order.profile.folder),
    )


def _reported(run: Run, order: Order) -> Report:
    _say(run.name)
    return evaluating.measured(
        evaluating.Order(
            order.limit, order.seed, order.profile, run.tools, run.ablate,
            split=run.split, families=run.families, out=order.out / run.name,
        )
    )  # fmt: skip


def _megabytes(folder: Path) -> float:
    """All that the weights are stored in; the reader's come inside its own package."""
    kinds = {".safetensors", ".json", ".yaml"}
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in kinds) / 1e6


def _say(name: str) -> None:
    if not quiet():
        sys.stderr.write(f"results: {name}\n")
