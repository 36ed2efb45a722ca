"""What may be typed after `agent bench`."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.options import Job, examples

EXAMPLES = examples("agent bench", "agent bench --only segment-again --rounds 5 --json")


def bench(
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the rows as one JSON list.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Rows or plots, by comma.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Rounds of each row, instead of as many as it needs."
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead of the table, draw the plots there, as PNG."),
    ] = None,
) -> Job:
    """Measure how fast it is, against how others do the same.

    Every row is a ratio from one run, in which ours and theirs took turns. Exit code 1 if one falls short.
    """

    def job() -> int:
        from foveal import benching

        names = [name.strip() for name in only.split(",")] if only else None
        if plots is not None:
            return benching.draw(plots, names)
        return benching.tell(names, rounds, as_json)

    return job
