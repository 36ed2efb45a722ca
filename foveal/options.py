"""What the commands share: how a command says what to do, and options that mean the same everywhere."""

from collections.abc import Callable
from typing import Annotated

import typer

from foveal.completing import profiles, triggers

Job = Callable[[], int]
"""What a command returns instead of doing it: `main` runs it, so that failures are told in one place."""

ASK = "Ask"
RUNS = "Look at what was asked"
DOORS = "Let others ask"
MEASURE = "Measure and train"
MACHINE = "This machine"
"""The groups under which `agent --help` lists the verbs."""


def examples(*lines: str) -> str:
    """What stands below a verb's options: lines that can be pasted, one a paragraph."""
    return "\n\n".join(["Examples:", *(line.replace("[", r"\[") for line in lines)])


Tools = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Tools it may use, by comma: look,detect,... or none."),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|TOML",
        help="Model and specialists; `agent doctor` lists them.",
        autocompletion=profiles,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|REPO|NAME", help="Model folder, owner/name on the Hub, or a server's model."
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="An OpenAI-compatible server: http://localhost:8000/v1."),
]
Trigger = Annotated[
    str | None,
    typer.Option(
        metavar="WHICH",
        help="Phrase for released checkpoints: none, region, reencode.",
        autocompletion=triggers,
    ),
]
Pools = Annotated[
    list[str] | None,
    typer.Option(
        "--pool", metavar="NAME.KEY=V", help="With --ray: detector.replicas=2; repeat it."
    ),
]
Specialists = Annotated[
    list[str] | None,
    typer.Option(
        "--specialist",
        metavar="PLACE=NAME",
        help="One of another package, such as detector=mine; repeat it.",
    ),
]
Gate = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="P", help="Answer without looking where it is so sure: 0.9."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="[ADDRESS]", help="Run specialists on Ray: here, or auto, host:port."),
]
MaxHops = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Times it may look again, at most.")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Where runs are kept: sqlite:PATH or postgres:URL."),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")]
