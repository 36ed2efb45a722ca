"""`agent batch`: what was ordered, checked before anything starts, and what is said when it is over."""

import asyncio
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.pools import parsed
from foveal.agent.profiles import Profile
from foveal.agent.settings import settings
from foveal.batch_driver import Drive
from foveal.batch_progress import duration
from foveal.batch_staff import Staff
from foveal.evals.score import wilson
from foveal.graphs import columnar, sheet
from foveal.graphs.budgets import Budgets
from foveal.graphs.carriers import identities
from foveal.graphs.choices import chosen
from foveal.graphs.crowd import Hire
from foveal.graphs.journal import FAILURES, RESULTS, Account, Journal, Sitting, State, now
from foveal.graphs.query import COLUMNS
from foveal.graphs.questionnaire import Digest, Questionnaire
from foveal.terminal import own_stdout

PARQUET, TRACES = "results.parquet", "traces"
SCRATCH = "runtime_resources"
"""A part of the path of the folder in which Ray runs a job, and which it removes with it."""
HOW = {"device", "pools"}
"""Of a profile, what says how it runs and not what it answers."""


@dataclass(frozen=True)
class Order:
    """What `agent batch` was told."""

    questions: str
    out: str
    ray: str | None = None
    """An address, or "local" to start Ray here."""
    agents: int = 1
    concurrency: int = 8
    agent_cpus: float = 0.25
    agent_gpus: float | None = None
    """None for one where the profile runs on GPUs."""
    profile: str | None = None
    model: str | None = None
    trigger: str | None = None
    base_url: str | None = None
    tools: str | None = None
    max_hops: int | None = None
    gate: float | None = None
    trace: bool = False
    pools: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    limit: int | None = None
    skip_bad_rows: bool = False
    keep_failures: bool = False
    resume_anyway: bool = False
    parquet: bool = True
    json: bool = False
    specialists: tuple[str, ...] = ()
    """Of other packages, as typed: detector=mine."""

    @property
    def folder(self) -> Path:
        """Where everything goes; absolute, because agents elsewhere write traces there."""
        folder = Path(self.out)
        if SCRATCH in Path.cwd().parts and not folder.is_absolute():
            raise InputError(
                f"--out {self.out!r} would be lost with this job's working directory; give an absolute path"
            )
        return folder.absolute()

    @property
    def budgets(self) -> Budgets:
        """The run's limits."""
        return Budgets() if self.max_hops is None else Budgets(hops=self.max_hops)


def run(order: Order) -> int:
    """Answer everything. Returns 0, 1 when a question failed or got no answer, or 130 when interrupted."""
    with own_stdout() as out:
        folder = order.folder
        profile = choose(
            order.profile, order.model, order.trigger, order.base_url, order.specialists
        )
        staff = _staff(order, profile, folder)
        if order.parquet:
            columnar.available()
        questions = Questionnaire(sheet.opened(order.questions), _names(order), order.skip_bad_rows)
        digest = questions.check()
        with Journal(folder) as journal:
            account = _answered(
                order, staff, questions, digest, journal, _settings(order, profile, digest)
            )
            if order.parquet and account.state != "interrupted":
                columnar.write(folder / RESULTS, folder / PARQUET)
        _tell(account, folder, order, out)
    counts = account.counts
    return 130 if account.state == "interrupted" else int(bool(counts.failed or counts.no_answer))


def _answered(
    order: Order,
    staff: Staff,
    questions: Questionnaire,
    digest: Digest,
    journal: Journal,
    settings: dict[str, Any],
) -> Account:
    """Ask what is still to be asked, and note how that ended."""
    sitting = Sitting(began=now(), how=_how(order), versions=_versions())
    journal.begin(
        settings,
        len(digest.ids),
        sitting,
        mixed=order.resume_anyway,
        keep_failures=order.keep_failures,
    )
    pending = sum(name not in journal.done for name in digest.ids[: order.limit])
    began = time.monotonic()
    state: State = "stopped"
    try:
        if pending:
            drive = Drive(staff, journal, pending)
            state = asyncio.run(drive.run(questions.pending(journal.done, order.limit)))
        else:
            state = "finished"
    finally:
        account = journal.end(state, time.monotonic() - began)
    return account


def _staff(order: Order, profile: Profile, folder: Path) -> Staff:
    for option, given in (("--pool", order.pools), ("--agents", order.agents > 1)):
        if given and not order.ray:
            raise InputError(f"{option} is for a cluster; give --ray as well")
    gpus = order.agent_gpus
    if gpus is None:
        gpus = 1.0 if profile.device.startswith("cuda") else 0.0
    if gpus and order.ray and profile.device == "cpu":
        raise InputError(
            f"--agent-gpus {gpus:g} would idle: the device is 'cpu'; set FOVEAL_DEVICE=cuda"
        )
    name = order.profile or settings().profile
    made = order.specialists or (order.model, order.trigger, order.base_url) != (None, None, None)
    named = not made and not name.endswith(".toml")
    return Staff(
        profile,
        name if named else None,
        chosen(order.tools, profile),
        order.budgets,
        folder / TRACES if order.trace else None,
        Hire(
            order.agents, order.concurrency, order.agent_cpus, gpus, 2 * order.budgets.seconds + 300
        ),
        order.ray,
        parsed(order.pools),
        order.gate,
    )


def _names(order: Order) -> dict[str, str]:
    names = {}
    for pair in order.columns:
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs or ours not in COLUMNS:
            raise InputError(
                f"--column {pair!r}: expected OURS=THEIRS, ours one of {', '.join(COLUMNS)}"
            )
        names[ours] = theirs
    return names


def _settings(order: Order, profile: Profile, digest: Digest) -> dict[str, Any]:
    """What decides the answers, in JSON types."""
    return {
        "profile": profile.model_dump(mode="json", exclude=HOW),
        "specialists": identities(profile),
        "tools": list(chosen(order.tools, profile)),
        "budgets": order.budgets.model_dump(mode="json"),
        "gate": order.gate,
        "questions": digest.sha256,
    }


def _how(order: Order) -> dict[str, Any]:
    how: dict[str, Any] = {"source": order.questions, "concurrency": order.concurrency}
    return how | ({"ray": order.ray, "agents": order.agents} if order.ray else {})


def _versions() -> dict[str, str]:
    return {"foveal": version("foveal"), "python": platform.python_version()}


def _tell(account: Account, folder: Path, order: Order, out: TextIO) -> None:
    if order.json:
        out.write(json.dumps(report(account, folder), ensure_ascii=False) + "\n")
    else:
        out.writelines(f"{line}\n" for line in _lines(account, folder))
    out.flush()


def report(account: Account, folder: Path) -> dict[str, Any]:
    """The account, with how often the answers were right and where everything is."""
    counts = account.counts
    judged = {}
    if counts.judged:
        low, high = wilson(counts.right, counts.judged)
        judged = {"accuracy": counts.right / counts.judged, "interval": [low, high]}
    return account.model_dump(mode="json") | {"left": counts.left, "out": str(folder)} | judged


def _lines(account: Account, folder: Path) -> Sequence[str]:
    counts, sitting = account.counts, account.sittings[-1]
    silent = f", {counts.no_answer} of them with no answer" if counts.no_answer else ""
    lines = [
        f"{account.state}: {counts.answered} of {counts.questions} answered{silent}, "
        f"{counts.failed} failed, {counts.left} left"
    ]
    if counts.judged:
        low, high = wilson(counts.right, counts.judged)
        share = f"{counts.right / counts.judged:.1%} right of {counts.judged}"
        lines.append(f"{share} (95 %: {100 * low:.0f} to {100 * high:.0f})")
    if sitting.outcomes:
        lines.append(
            f"{sitting.outcomes} in {duration(sitting.seconds)}, {sitting.rate:.3g} a second"
        )
    if "object_store_peak" in sitting.how:
        lines.append(f"object store: {sitting.how['object_store_peak'] / 2**20:.1f} MB at most")
    lines.append(f"results: {folder / RESULTS}")
    return lines + ([f"failures: {folder / FAILURES}"] if counts.failed else [])
