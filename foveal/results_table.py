"""The published table: targets beside what was reached, each with the command that gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foveal.evals.difference import Difference, difference
from foveal.evals.report import Report, Share
from foveal.evals.score import wilson

if TYPE_CHECKING:
    from foveal.results import Measured


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    target: str
    reached: str
    interval: str
    met: bool
    command: str


_TABLE = re.compile(r"^\| measure \| target \|.*?^Measured on [^\n]*\n", re.MULTILINE | re.DOTALL)


def put(page: str, table: str) -> str:
    """A page with this table in the place of the one it holds, or at its end."""
    if _TABLE.search(page):
        return _TABLE.sub(lambda _: table, page, count=1)
    return f"{page.rstrip()}\n\n{table}".lstrip()


def written(rows: list[Row], machine: str) -> str:
    """The table as Markdown, and below it where all that was measured."""
    lines = [
        "| measure | target | reached | 95 % interval | met | command |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.target} | {row.reached} | {row.interval} | "
            f"{'yes' if row.met else 'no'} | `{row.command}` |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + f"\n\nMeasured on {machine}.\n"


def rows_of(measured: Measured) -> list[Row]:
    """Every line, in the order in which a reader asks."""
    return [
        *_right(measured),
        *_causes(measured),
        *_regions(measured),
        *_again(measured),
        *_specialists(measured),
        *_costs(measured),
        *_honesty(measured),
    ]


def _right(measured: Measured) -> Iterator[Row]:
    test, commands = measured.reports["test"], measured.commands
    yield _share(
        "right on the split `test`", "≥ 90 %", test, test.accuracy >= 0.9, commands["test"]
    )
    worst = min(test.families, key=lambda name: test.families[name].accuracy)
    share = test.families[worst]
    yield _share(
        f"the worst family there, {worst}", "≥ 80 %", share, share.accuracy >= 0.8, commands["test"]
    )
    hard = measured.reports["hard"]
    yield _share(
        "right on the split `hard`", "≥ 75 %", hard, hard.accuracy >= 0.75, commands["hard"]
    )


def _causes(measured: Measured) -> Iterator[Row]:
    reports, commands = measured.reports, measured.commands
    visual, blank = reports["visual"], reports["visual-tokens-blank"]
    yield _share(
        f"families that only visual tokens can tell ({', '.join(visual.families)})",
        "≥ 80 %", visual, visual.accuracy >= 0.8, commands["visual"],
    )  # fmt: skip
    guess = max(blank.majority, blank.constant)
    yield _share(
        f"the same with blank visual tokens (always the family's commonest answer: {blank.majority:.1%}; "
        f"always the one best answer: {blank.constant:.1%})",
        "chance", blank, blank.interval[0] <= guess, commands["visual-tokens-blank"],
    )  # fmt: skip
    gain = difference(measured.rows["test"], measured.rows["no-tools"])
    yield _gain(
        "gain over `tools=none`", "≥ 25 points", gain, gain.gain >= 0.25, commands["no-tools"]
    )
    for name, what in (("observation-blank", "blank"), ("observation-shuffle", "shuffle")):
        other = difference(measured.rows[name], measured.rows["no-tools"])
        yield _gain(
            f"`observation={what}` against `tools=none`", "within 5 points", other,
            abs(other.gain) <= 0.05, commands[name],
        )  # fmt: skip
    oracle = reports["observation-oracle"]
    yield _share(
        "right with `observation=oracle`", "≥ 96 %", oracle, oracle.accuracy >= 0.96,
        commands["observation-oracle"],
    )  # fmt: skip


def _regions(measured: Measured) -> Iterator[Row]:
    found, command = measured.reports["regions"].regions, measured.commands["regions"]
    if found is None:
        yield Row(
            "first region holds the thing", "≥ 80 %", "nothing was pointed at", "", False, command
        )
        return
    yield Row(
        f"first region holds the thing ({found.n} questions)", "≥ 80 %", f"{found.contains:.1%}",
        _interval(found.interval), found.contains >= 0.8, command,
    )  # fmt: skip
    shuffled = wilson(round(found.shuffled * found.n), found.n)
    yield Row(
        "the same regions, shuffled over the questions", "≤ 45 %", f"{found.shuffled:.1%}",
        _interval(shuffled), found.shuffled <= 0.45, command,
    )  # fmt: skip
    tight = wilson(round(found.tight * found.n), found.n)
    yield Row(
        "its crop is at most 1.2 times that of the true cells", "≥ 80 %", f"{found.tight:.1%}",
        _interval(tight), found.tight >= 0.8, command,
    )  # fmt: skip


def _again(measured: Measured) -> Iterator[Row]:
    """What re-encoding adds to one look, and how much of that is lost without its control state, or its tokens."""
    rows, commands = measured.rows, measured.commands
    gain = difference(rows["reencode"], rows["reencode-not"])
    yield _gain(
        "re-encoding alone against `tools=none`",
        "more",
        gain,
        gain.interval[0] > 0,
        commands["reencode"],
    )
    for name, what in (
        ("reencode-h-zero", "`h=zero`"),
        ("reencode-tokens-blank", "blank visual tokens"),
    ):
        loss = difference(rows[name], rows["reencode"])
        yield _gain(f"the same with {what}", "less", loss, loss.interval[1] < 0, commands[name])


def _specialists(measured: Measured) -> Iterator[Row]:
    scores, command = measured.scores, measured.commands["specialists"]
    mean, iou, order = (
        scores["detector"]["mAP50"], scores["segmenter"]["iou"], scores["depth"]["order"],
    )  # fmt: skip
    pairs = round(scores["depth"]["pairs"])
    right = wilson(round(order * pairs) if pairs else 0, pairs)
    yield Row("detector, mAP at IoU 0.5", "≥ 0.90", f"{mean:.3f}", "", mean >= 0.9, command)
    yield Row("segmenter, mean IoU", "≥ 0.85", f"{iou:.3f}", "", iou >= 0.85, command)
    yield Row(
        f"depth, {pairs} pairs in the right order", "≥ 95 %", f"{order:.1%}", _interval(right),
        order >= 0.95, command,
    )  # fmt: skip


def _costs(measured: Measured) -> Iterator[Row]:
    size, time = measured.megabytes, measured.reports["test"].time
    yield Row(
        "all weights",
        "≤ 60 MB",
        f"{size:.1f} MB",
        "",
        size <= 60,
        "du -cb weights/*.safetensors weights/*.json weights/*.yaml",
    )
    p50, p95 = time.p50, time.p95
    told = "not measured" if p50 is None else f"{p50:.2f} s (95 % within {p95:.2f} s)"
    met = p50 is not None and p50 <= 1.5
    yield Row("time a question, half within", "≤ 1.5 s", told, "", met, measured.commands["test"])


def _honesty(measured: Measured) -> Iterator[Row]:
    ece, command = measured.reports["test"].ece, measured.commands["test"]
    told = "not measured" if ece is None else f"{ece:.3f}"
    met = ece is not None and ece <= 0.05
    yield Row("expected calibration error on `test`", "≤ 0.05", told, "", met, command)
    out = measured.outside
    yield Row(
        f"confident answers to {out.n} questions outside the domain", "≤ 5 %", f"{out.share:.1%}",
        _interval(out.interval), out.share <= 0.05, measured.commands["outside"],
    )  # fmt: skip


def _share(what: str, target: str, share: Share | Report, met: bool, command: str) -> Row:
    told = f"{share.accuracy:.1%} of {share.n}"
    return Row(what, target, told, _interval(share.interval), met, command)


def _gain(what: str, target: str, found: Difference, met: bool, command: str) -> Row:
    low, high = found.interval
    told = f"{100 * found.gain:+.1f} points"
    return Row(what, target, told, f"{100 * low:+.1f} to {100 * high:+.1f}", met, command)


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"
