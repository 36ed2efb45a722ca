"""What may be typed after `agent runs`, `agent resume` and `agent fork`."""

from typing import Annotated

import typer

from foveal.options import Checkpoint, Job, Json, examples

LIST_EXAMPLES = examples(
    "agent runs --checkpoint sqlite:runs.db",
    "agent runs 20260102T030405-0a1b2c3d --checkpoint sqlite:runs.db --json | jq .hops",
)
RESUME_EXAMPLES = examples(
    "agent resume 20260102T030405-0a1b2c3d --checkpoint sqlite:runs.db",
    "agent resume last --checkpoint sqlite:runs.db --reject 'not that face'",
    "agent resume last --checkpoint sqlite:runs.db --region 40,10,120,90",
)
FORK_EXAMPLES = examples(
    "agent fork last --hop 1 --observation two-cubes.json --checkpoint sqlite:runs.db",
)

Run = Annotated[str, typer.Argument(metavar="RUN", help="Its id, the beginning of it, or last.")]
Image = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH|URL|-", help="The run's image, if it is not where it was; repeat for several."
    ),
]
Hops = Annotated[bool, typer.Option("--hops", metavar="", help="Show each hop even in a pipe.")]


def runs(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="One of them, with everything it saw.")
    ] = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
) -> Job:
    """List the runs that are kept: when, what was asked, how far each has come, the answer."""

    def job() -> int:
        from foveal import kept

        return kept.tell(run, checkpoint, as_json)

    return job


def resume(
    run: Run,
    checkpoint: Checkpoint = None,
    image: Image = None,
    accept: Annotated[
        bool, typer.Option("--accept", metavar="", help="Do what waits for approval.")
    ] = False,
    reject: Annotated[
        str | None,
        typer.Option(metavar="[REASON]", help="Do not, and tell the model so, and why."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="Do it there instead, in pixels of the image."),
    ] = None,
    phrase: Annotated[str | None, typer.Option(metavar="TEXT", help="Detect that instead.")] = None,
    only: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Decide about the Nth action that waits, from 1."),
    ] = None,
    as_json: Json = False,
    hops: Hops = False,
) -> Job:
    """Go on with a run that was cut off, or that waits for a person.

    What a specialist has answered is not asked again.
    """

    def job() -> int:
        from foveal import kept

        return kept.resume(
            kept.Order(run, checkpoint, tuple(image or ()), as_json, hops),
            kept.Verdict(accept, reject, region, phrase, only),
        )

    return job


def fork(
    run: Run,
    hop: Annotated[int, typer.Option(min=1, metavar="K", help="The last hop to keep, from 1.")],
    observation: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of what shall have come back at that hop."),
    ] = None,
    checkpoint: Checkpoint = None,
    image: Image = None,
    as_json: Json = False,
    hops: Hops = False,
) -> Job:
    """Begin another run in the middle of one, which stays as it is."""

    def job() -> int:
        from foveal import kept

        order = kept.Order(run, checkpoint, tuple(image or ()), as_json, hops)
        return kept.fork(order, hop, observation)

    return job
