"""What may be typed after `agent train`; the options of each recipe are read when it is run."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.options import Job, Profile, examples

recipes = typer.Typer(
    help=(
        "Make the embedded weights again.\n\n"
        "The four networks learn from rendered tables alone, drawn on first use and kept; nothing is "
        "downloaded. They do not depend on each other, so train them in any order, each into its own "
        "folder: detector, segmenter, depth, model. A training that was interrupted goes on when "
        "started again.\n\n"
        "Then collect what they wrote (.safetensors, .json, .yaml) in one folder, write its checksums "
        "with `sha256sum * > SHA256SUMS`, and measure it with `FOVEAL_WEIGHTS=FOLDER agent eval tabletop`. "
        "`agent train calibration` then makes its confidence the chance of being right."
    ),
    epilog=examples(
        "agent train detector --help", "agent train detector --out runs/detector --minutes 30"
    ),
)
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _add(name: str, what: str) -> None:
    def command(context: typer.Context) -> Job:
        def job() -> int:
            from foveal.recipes import train

            return train(name, context.args)

        return job

    recipes.command(name, help=what, add_help_option=False, context_settings=_PASSED_ON)(command)


_add("detector", "YOLO: what is on the table, and where.")
_add("segmenter", "Segment Anything: outlines.")
_add("depth", "Depth-Anything: what is nearer.")
_add("model", "Qwen2-VL: where to look, and what to answer.")


@recipes.command(
    epilog=examples(
        "agent train calibration --out runs/calibration",
        "FOVEAL_WEIGHTS=mine agent train calibration --out runs/calibration --limit 1200",
    )
)
def calibration(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where calibration.json goes; given again, it goes on."),
    ] = Path("runs/calibration"),
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Questions to ask, of the split val.")
    ] = 600,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Which scenes are drawn.")] = 0,
    profile: Profile = None,
) -> Job:
    """Last of all: how often the model is right at each confidence."""

    def job() -> int:
        from foveal import calibrating
        from foveal.agent.choosing import choose

        return calibrating.calibrate(calibrating.Order(choose(profile), out, limit, seed))

    return job
