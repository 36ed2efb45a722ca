"""`agent bench`: how fast it is, row by row, on the terminal or as JSON, or drawn."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foveal.evals.bench.row import Row
from foveal.evals.bench.rows import ROWS, measured, named
from foveal.machine import machine
from foveal.terminal import console, own_stdout, printable, waiting

WORDS = {True: ("yes", "green"), False: ("short", "bold red"), None: ("-", "yellow")}
"""Whether a row is good enough, and the colour of saying so."""


def tell(only: Collection[str] | None, rounds: int | None, as_json: bool) -> int:
    """Measure and print. Returns 1 when a row falls short of its target, else 0."""
    names = named(only)
    with own_stdout() as out:
        rows = _measured(names, rounds)
        if as_json:
            out.write(f"[{', '.join(row.model_dump_json() for row in rows)}]\n")
        else:
            _print(rows, console(out))
        out.flush()
    return int(any(row.ok is False for row in rows))


def draw(folder: Path, only: Collection[str] | None) -> int:
    """Draw the plots into the folder and print their paths."""
    from foveal.evals.bench.plots import drawn, plots_named

    names = plots_named(only)
    with own_stdout() as out, waiting("starting") as say:
        for name in names:
            say(f"measuring {name}")
            out.write(f"{drawn(name, folder)}\n")
            out.flush()
    return 0


def _measured(names: Sequence[str], rounds: int | None) -> list[Row]:
    with waiting("starting") as say:
        return list(
            measured(
                names,
                rounds,
                ROWS,
                lambda together: say(f"measuring {', '.join(together)}"),
            )
        )


def _print(rows: Sequence[Row], shown: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("row", overflow="fold")
    for heading in ("ratio", "target"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ok", no_wrap=True)
    table.add_column("measured", overflow="fold")
    for row in rows:
        word, style = WORDS[row.ok]
        ratio = "" if row.ratio is None else _number(row.ratio)
        name = Text.assemble(row.name, "\n", (row.what, "dim"))
        table.add_row(name, ratio, _number(row.target), Text(word, style), _measurements(row))
        table.add_row()
    shown.print(table)
    shown.print(Text(machine("torch", "ray", "langgraph"), style="dim"))


def _measurements(row: Row) -> Text:
    numbers = [f"{name} {_number(value)} {row.unit}" for name, value in row.numbers.items()]
    if row.spread and row.spread[0] < row.spread[1]:
        low, high = (_number(value) for value in row.spread)
        numbers.append(f"half of the ratios within {low} and {high}")
    return Text(printable("\n".join([*numbers, *filter(None, [row.detail])])))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
