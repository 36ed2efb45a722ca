"""What may be typed after `agent weights`."""

from pathlib import Path
from typing import Annotated

import typer

from foveal.options import Job, examples

weights = typer.Typer(help="Look after model folders.")


@weights.command(
    epilog=examples("agent weights convert ~/Qwen2-VL-2b-VPT-CLIP ~/vpt-2b-clip"),
)
def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A model folder.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="A folder to be made.")],
) -> Job:
    """Write a checkpoint anew as safetensors: checked, complete, with today's names.

    Numbers stay as they are. Misleading settings are corrected, and checksums are written.
    """

    def job() -> int:
        from foveal.converting import convert as converted

        return converted(source, destination)

    return job
