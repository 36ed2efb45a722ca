"""What may be typed after `agent trace`."""

from typing import Annotated

import typer

from foveal.options import Checkpoint, Job, examples

EXAMPLES = examples(
    "agent run --image x.jpg --question 'How many?' --trace traces && agent trace traces/*.jsonl",
    "agent trace traces/20260102T030405-0a1b2c3d.jsonl --image x.jpg --out page.html",
    "agent trace last --checkpoint sqlite:runs.db",
)


def trace(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A trace that --trace has written; or a kept run: its id, or last."
        ),
    ],
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|URL|-",
            help="The run's image, if it is not where it was; repeat it for several.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Where to write; else beside the trace, as .html."),
    ] = None,
    checkpoint: Checkpoint = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", metavar="", help="Do not show it in a browser.")
    ] = False,
) -> Job:
    """Write a recorded run as one HTML page, and show it: what was asked, seen and said, drawn on the image.

    The page needs no network and nothing else. From a terminal it is opened in a browser; its path is printed.
    """

    def job() -> int:
        from foveal.page.showing import show

        return show(run, tuple(image or ()), out, checkpoint, opens=not no_open)

    return job
