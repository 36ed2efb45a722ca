"""`agent doctor`: the checkup, told on the terminal or as JSON."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foveal.checkup import Report, State, examined
from foveal.terminal import console, own_stdout, printable, waiting


def tell(as_json: bool) -> int:
    """Print the report on stdout. Returns 0 when the embedded profile can run, else 1."""
    with own_stdout() as out:
        with waiting("looking"):
            report = examined()
        if as_json:
            out.write(report.model_dump_json() + "\n")
        else:
            _print(report, console(out))
    return 0 if report.ok else 1


_STYLES: dict[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "optional": ("-", "yellow"),
    "problem": ("no", "bold red"),
}


def _print(report: Report, shown: Console) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for overflow in (None, None, "fold", "fold"):
        grid.add_column(overflow=overflow or "ellipsis", no_wrap=overflow is None)
    about = ""
    for check, after in zip(report.checks, [*report.checks[1:], None], strict=True):
        word, style = _STYLES[check.state]
        found = Text(printable(check.found))
        if check.cure and (after is None or after.cure != check.cure):
            found.append(f"\n{printable(check.cure)}", style="yellow")
        heading = "" if check.about == about else check.about
        grid.add_row(Text(heading, style="bold"), Text(word, style=style), Text(check.name), found)
        about = check.about
    shown.print(grid)
    verdict = "the embedded profile can run" if report.ok else "the embedded profile cannot run"
    shown.print(Text(f"\n{verdict}", style="bold green" if report.ok else "bold red"))
