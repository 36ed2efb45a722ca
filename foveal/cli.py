"""The command `agent`: what may be typed, and what is said when it cannot be done.

Exit codes: 0 done, 1 ran but with no good outcome, 2 bad input or setup (one line on stderr says what to
do), 130 interrupted. Commands only say what to do; it is done, and failures are told, in `main`.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from foveal.agent.errors import InputError, SetupError
from foveal.batch_command import batch
from foveal.bench_command import bench
from foveal.options import BaseUrl, Gate, Job, Json, Model, Pools, Profile, Tools, Trigger
from foveal.pool_command import pool
from foveal.terminal import discard_stdout, one_line
from foveal.weights_command import weights

app = typer.Typer(
    help="An agent that looks again: it answers questions about images.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command(epilog='Example: agent run --image x.jpg --question "What is written on the bus?"')
def run(
    image: Annotated[
        str, typer.Option(metavar="PATH|URL|-", help="The image; - reads it from stdin.")
    ],
    question: Annotated[str, typer.Option(metavar="TEXT", help="What to find out.")],
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    trigger: Trigger = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="[ADDRESS]", help="Run specialists on Ray: here, or auto, host:port."),
    ] = None,
    pools: Pools = None,
    tools: Tools = None,
    max_hops: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Times it may look again.")
    ] = None,
    gate: Gate = None,
    schema: Annotated[
        str | None, typer.Option(metavar="FILE", help="A JSON schema that the answer is to fit.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", metavar="", help="Ask again without what was seen, and compare."),
    ] = False,
    as_json: Json = False,
    trace: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a JSONL trace of the run there.")
    ] = None,
    hops: Annotated[
        bool, typer.Option("--hops", metavar="", help="Show each hop even in a pipe.")
    ] = False,
) -> Job:
    """Answer a question about an image.

    On a terminal each hop is shown as it happens; a pipe gets the answer alone, with --schema as JSON.
    """

    def job() -> int:
        from foveal import asking

        order = asking.Order(
            image, question, profile, ray, tools, max_hops, trace, as_json, hops, model, trigger,
            tuple(pools or ()), base_url, gate, schema, verify,
        )  # fmt: skip
        return asking.run(order)

    return job


@app.command()
def doctor(as_json: Json = False) -> Job:
    """Say what is installed and intact here, and how to mend what is not."""

    def job() -> int:
        from foveal.doctor import tell

        return tell(as_json)

    return job


app.command(epilog="Example: agent batch questions.jsonl --out answers")(batch)
app.command()(bench)
app.add_typer(pool, name="pool")
app.add_typer(weights, name="weights")

measures = typer.Typer(help="Measure how often the agent is right.")
app.add_typer(measures, name="eval")


@measures.command("tabletop")
def eval_tabletop(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Questions to ask.")] = 300,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Which scenes are drawn.")] = 0,
    split: Annotated[
        Literal["train", "val", "test", "hard"],
        typer.Option(
            help="Which scenes to draw from; hard ones are fuller, larger and of kinds never trained on."
        ),
    ] = "test",
    tools: Tools = None,
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    trigger: Trigger = None,
    ablate: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Replace, by comma: tools=none, h=zero|random|other|none, c=zero."
        ),
    ] = None,
    gate: Gate = None,
    as_json: Json = False,
) -> Job:
    """Ask about rendered tables that no training has seen, one question a scene."""

    def job() -> int:
        from foveal.agent.choosing import choose
        from foveal.evaluating import Order, tabletop

        chosen = choose(profile, model, trigger, base_url)
        return tabletop(Order(limit, seed, chosen, tools, ablate, as_json, gate, split))

    return job


recipes = typer.Typer(
    help=(
        "Make the embedded weights again.\n\n"
        "The four networks learn from rendered tables alone, drawn on first use and kept; nothing is "
        "downloaded. They do not depend on each other, so train them in any order, each into its own "
        "folder: detector, segmenter, depth, model. A training that was interrupted goes on when "
        "started again.\n\n"
        "Then collect what they wrote (.safetensors, .json, .yaml) in one folder, write its checksums "
        "with `sha256sum * > SHA256SUMS`, and measure it with `FOVEAL_WEIGHTS=FOLDER agent eval tabletop`."
    )
)
app.add_typer(recipes, name="train")
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _add_recipe(name: str, what: str) -> None:
    def command(context: typer.Context) -> Job:
        def job() -> int:
            from foveal.recipes import train

            return train(name, context.args)

        return job

    recipes.command(name, help=what, add_help_option=False, context_settings=_PASSED_ON)(command)


_add_recipe("detector", "YOLO: what is on the table, and where.")
_add_recipe("segmenter", "Segment Anything: outlines.")
_add_recipe("depth", "Depth-Anything: what is nearer.")
_add_recipe("model", "Qwen2-VL: where to look, and what to answer.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries tell developers
    try:
        return _done(list(sys.argv[1:] if argv is None else argv))
    except (InputError, SetupError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        discard_stdout()
        return 141  # as if SIGPIPE had ended it


def _done(argv: list[str]) -> int:
    try:
        job = app(_ray_with_value(argv) or ["--help"], prog_name="agent", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's errors, wherever typer keeps click
            raise
        return _misused(error)
    return job() if callable(job) else 0


def _ray_with_value(argv: list[str]) -> list[str]:
    """`--ray` with its value: typer has no options whose value may be left out."""
    return [
        "--ray=local" if word == "--ray" and (not after or after[0].startswith("-")) else word
        for word, after in ((word, argv[n : n + 1]) for n, word in enumerate(argv, start=1))
    ]


def _misused(error: Any) -> int:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "agent"
    message = one_line(error.format_message()).rstrip(".")
    return _refuse(f"{message[:1].lower()}{message[1:]}; see {path} --help")


def _refuse(reason: object) -> int:
    sys.stderr.write(f"agent: {one_line(reason)}\n")
    return 2
