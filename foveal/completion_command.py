"""What may be typed after `agent completion`, and how a shell asks what may be typed at all."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from foveal.options import Job, examples

VARIABLE = "_AGENT_COMPLETE"
"""Set by the script when a shell asks."""
EXAMPLES = examples(
    'eval "$(agent completion bash)"',
    "agent completion bash >~/.local/share/bash-completion/completions/agent",
    "agent completion zsh >~/.zfunc/_agent",
    "agent completion fish >~/.config/fish/completions/agent.fish",
)


class Shell(StrEnum):
    """The shells that are known."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
) -> Job:
    """Print a script that lets your shell complete verbs, options and values."""

    def job() -> int:
        from typer.completion import get_completion_script  # type: ignore[attr-defined]

        script = get_completion_script(prog_name="agent", complete_var=VARIABLE, shell=shell.value)
        sys.stdout.write(f"{script}\n")
        return 0

    return job


def prepare() -> None:
    """If it is a shell that asks, let typer answer it."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
