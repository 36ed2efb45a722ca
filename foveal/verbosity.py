"""`--quiet` and `--verbose`: understood before and after every verb, and over when the command is."""

import functools
import inspect
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from foveal.agent.errors import InputError
from foveal.agent.loudness import LOGGER
from foveal.terminal import one_line

PANEL = "With every verb"
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", metavar="", help="Say the answer and nothing else.", rich_help_panel=PANEL
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        help="Log on stderr what is done; twice: what libraries do, too.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
_OPTIONS = {"quiet": (Quiet, False), "verbose": (Verbose, 0)}


def set_to(quiet: bool, verbose: int) -> None:
    """Say as much as was asked for. Raises InputError where that contradicts itself."""
    if quiet and verbose:
        raise InputError("--quiet and --verbose exclude each other: give one")
    if quiet:
        logging.getLogger(LOGGER).setLevel(logging.ERROR)
    elif verbose == 1:
        _listen(logging.getLogger(LOGGER), logging.INFO)
    elif verbose:
        logging.getLogger(LOGGER).setLevel(logging.DEBUG)
        _listen(logging.getLogger(), logging.INFO)


@contextmanager
def restored() -> Iterator[None]:
    """Inside, loudness may be changed; afterwards it is as before."""
    loggers = [logging.getLogger(), logging.getLogger(LOGGER)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers


def with_every_verb(app: typer.Typer) -> None:
    """Let every verb of the program, and of its groups, understand both options."""
    for verb in app.registered_commands:
        if verb.callback is not None:
            verb.callback = _heeding(verb.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            with_every_verb(group.typer_instance)


def _heeding(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with both options added to its own."""

    @functools.wraps(verb)
    def heeding(*words: Any, quiet: bool = False, verbose: int = 0, **options: Any) -> Any:
        set_to(quiet, verbose)
        return verb(*words, **options)

    signature = inspect.signature(verb, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]
    parameters = [*signature.parameters.values(), *added]
    heeding.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return heeding


def _listen(logger: logging.Logger, level: int) -> None:
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        logger.addHandler(_Stderr())
    logger.setLevel(level)


class _Stderr(logging.Handler):
    """One line on whatever stderr is now, with the seconds since the command began."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        seconds = time.monotonic() - self._began
        text = one_line(record.getMessage())
        sys.stderr.write(f"agent: {seconds:.2f} s, {record.name.removeprefix('foveal.')}: {text}\n")
