"""The report of an evaluation, for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foveal.evals.report import Report, Share


def show(report: Report, shown: Console) -> None:
    """The families, what the tools were good for, and what was evaluated."""
    shown.print(_families(report))
    if report.tools:
        shown.print("")
        shown.print(_tools(report))
    shown.print(Text("\n" + "\n".join(_lines(report)), style="dim"))


def _table(first: str, *headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _families(report: Report) -> Table:
    table = _table("family", "n", "right", "95 %", "no answer", "majority")
    for name, share in report.families.items():
        table.add_row(name, *_cells(share))
    table.add_section()
    if report.visual is not None:
        table.add_row("visual tokens alone", *_cells(report.visual))
    table.add_row(Text("all"), *_cells(report), style="bold")
    if report.direct is not None:
        table.add_row(Text("without looking"), *_cells(report.direct))
    return table


def _cells(share: Share) -> tuple[str, ...]:
    return (
        str(share.n),
        f"{share.accuracy:.1%}",
        _interval(share.interval),
        str(share.no_answer),
        f"{share.majority:.1%}",
    )


def _tools(report: Report) -> Table:
    verified = ("caused",) if report.setting.verify else ()
    table = _table("tool", "a question", "of questions", "judged", "true", "95 %", *verified)
    for name, use in report.tools.items():
        right = (
            ("", "") if use.accuracy is None else (f"{use.accuracy:.1%}", _interval(use.interval))
        )
        caused = () if use.caused is None else (f"{use.caused:.1%}",)
        table.add_row(
            name, f"{use.calls:.2f}", f"{use.share:.1%}", str(use.judged), *right, *caused
        )
    return table


def _lines(report: Report) -> list[str]:
    setting, time = report.setting, report.time
    warm = (
        ""
        if time.p50 is None
        else f", half of the rest at most {time.p50:.2f} s, 95 % of it {time.p95:.2f} s"
    )
    lines = [
        f"profile {setting.profile}, tools {' '.join(setting.tools) or 'none'}, "
        f"{setting.split} seed {setting.seed}"
        f"{f', without: {setting.ablate}' if setting.ablate else ''}{_gate(report)}",
        f"{report.mean_hops:.2f} hops and {report.mean_actions:.2f} calls a question; "
        f"the first took {time.first:.2f} s{warm}",
    ]
    if report.ece is not None:
        lines.append(f"expected calibration error {report.ece:.3f}")
    if report.regions is not None:
        found = report.regions
        lines.append(
            f"first region holds the thing: {found.contains:.1%} of {found.n} "
            f"(95 %: {_interval(found.interval)}; shuffled: {found.shuffled:.1%}), "
            f"no larger than it should be: {found.tight:.1%}"
        )
    return lines


def _gate(report: Report) -> str:
    if report.setting.gate is None:
        return ""
    share = report.ended_by.get("gate", 0) / report.n
    return f", gate {report.setting.gate:g}: {share:.1%} answered without looking"


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.0f} to {100 * high:.0f}"
