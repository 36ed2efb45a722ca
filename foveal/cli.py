"""The command `agent`: what may be typed, and what is said when it cannot be done.

Commands only say what to do; it is done, and failures are told, in `main`. EPILOG lists the exit codes.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from foveal import (
    batch_command,
    bench_command,
    completion_command,
    config_command,
    doctor_command,
    mcp_command,
    run_command,
    runs_command,
    serve_command,
    trace_command,
    ui_command,
)
from foveal.agent.errors import InputError, SetupError
from foveal.eval_command import measures
from foveal.options import ASK, DOORS, MACHINE, MEASURE, RUNS
from foveal.pool_command import pool
from foveal.terminal import discard_stdout, one_line
from foveal.train_command import recipes
from foveal.verbosity import Quiet, Verbose, restored, set_to, with_every_verb
from foveal.weights_command import weights

VALUES = {"--ray": "local", "--reject": ""}
"""What an option means without a value."""

EPILOG = "\n\n".join(
    (
        "Exit codes: 0 done; 1 done, but not well: no answer, a question failed, a problem was found; 2 wrong "
        "input or setup, one line on stderr says which and what to do; 3 the run waits for a person; "
        "130 interrupted; 141 nobody reads on.",
        "`agent VERB --help` shows examples, `agent config` what is set and where.",
    )
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # 50 ms, which no other command needs

        sys.stdout.write(f"foveal {version('foveal')}\n")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def agent(
    quiet: Quiet = False,
    verbose: Verbose = 0,
    version_: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", is_eager=True, callback=_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """An agent that looks again: it answers questions about images."""
    set_to(quiet, verbose)


app.command(epilog=run_command.EXAMPLES, rich_help_panel=ASK)(run_command.run)
app.command(epilog=batch_command.EXAMPLES, rich_help_panel=ASK)(batch_command.batch)
app.command(epilog=ui_command.EXAMPLES, rich_help_panel=ASK)(ui_command.ui)
app.command(epilog=runs_command.LIST_EXAMPLES, rich_help_panel=RUNS)(runs_command.runs)
app.command(epilog=runs_command.RESUME_EXAMPLES, rich_help_panel=RUNS)(runs_command.resume)
app.command(epilog=runs_command.FORK_EXAMPLES, rich_help_panel=RUNS)(runs_command.fork)
app.command(epilog=trace_command.EXAMPLES, rich_help_panel=RUNS)(trace_command.trace)
app.command(epilog=mcp_command.EXAMPLES, rich_help_panel=DOORS)(mcp_command.mcp)
app.command(epilog=serve_command.EXAMPLES, rich_help_panel=DOORS)(serve_command.serve)
app.add_typer(measures, name="eval", rich_help_panel=MEASURE)
app.command(epilog=bench_command.EXAMPLES, rich_help_panel=MEASURE)(bench_command.bench)
app.add_typer(recipes, name="train", rich_help_panel=MEASURE)
app.command(epilog=doctor_command.EXAMPLES, rich_help_panel=MACHINE)(doctor_command.doctor)
app.add_typer(pool, name="pool", rich_help_panel=MACHINE)
app.add_typer(weights, name="weights", rich_help_panel=MACHINE)
app.command(epilog=config_command.EXAMPLES, rich_help_panel=MACHINE)(config_command.config)
app.command(epilog=completion_command.EXAMPLES, rich_help_panel=MACHINE)(
    completion_command.completion
)
with_every_verb(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries tell developers
    try:
        with restored():
            return _done(list(sys.argv[1:] if argv is None else argv))
    except (InputError, SetupError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        discard_stdout()
        return 141  # as if SIGPIPE had ended it


def _done(argv: list[str]) -> int:
    completion_command.prepare()
    try:
        job = app(_ray_with_value(argv) or ["--help"], prog_name="agent", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's errors, wherever typer keeps click
            raise
        return _misused(error)
    code = job() if callable(job) else 0
    sys.stdout.flush()  # here, where it may fail
    return code


def _ray_with_value(argv: list[str]) -> list[str]:
    """Options with the value that they have without one: typer has none whose value may be left out."""
    return [
        f"{word}={VALUES[word]}"
        if word in VALUES and (not after or after[0].startswith("-"))
        else word
        for word, after in ((word, argv[n : n + 1]) for n, word in enumerate(argv, start=1))
    ]


def _misused(error: Any) -> int:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "agent"
    message = one_line(error.format_message()).rstrip(".")
    return _refuse(f"{message[:1].lower()}{message[1:]}; see {path} --help")


def _refuse(reason: object) -> int:
    sys.stderr.write(f"agent: {one_line(reason)}\n")
    return 2
