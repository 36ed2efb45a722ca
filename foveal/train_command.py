"""What may be typed after `agent train`; the options of each recipe are read when it is run."""

import typer

from foveal.options import Job, examples

recipes = typer.Typer(
    help=(
        "Make the embedded weights again.\n\n"
        "The four networks learn from rendered tables alone, drawn on first use and kept; nothing is "
        "downloaded. They do not depend on each other, so train them in any order, each into its own "
        "folder: detector, segmenter, depth, model. A training that was interrupted goes on when "
        "started again.\n\n"
        "Then collect what they wrote (.safetensors, .json, .yaml) in one folder, write its checksums "
        "with `sha256sum * > SHA256SUMS`, and measure it with `FOVEAL_WEIGHTS=FOLDER agent eval tabletop`."
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
