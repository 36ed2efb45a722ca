"""What the commands share: how a command says what to do, and options that mean the same everywhere."""

from collections.abc import Callable
from typing import Annotated

import typer

Job = Callable[[], int]
"""What a command returns instead of doing it: `main` runs it, so that failures are told in one place."""

Tools = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Tools it may use, by comma: look,detect,... or none."),
]
Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME|TOML", help="Model and specialists; by default: embedded."),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")]
