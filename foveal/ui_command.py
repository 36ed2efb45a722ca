"""What may be typed after `agent ui`."""

from typing import Annotated

import typer

from foveal.options import BaseUrl, Job, Model, Profile, Trigger, examples

EXAMPLES = examples(
    "agent ui",
    "agent ui --approve look,segment",
    "FOVEAL_TOKEN=... agent ui --host 0.0.0.0 --port 8080",
)


def ui(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Where to listen; elsewhere FOVEAL_TOKEN is asked for."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 for any free one.")
    ] = 7860,
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    trigger: Trigger = None,
    approve: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Actions to be asked about, by comma: look,... or all."),
    ] = None,
    trace: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a JSONL trace of each run there.")
    ] = None,
) -> Job:
    """Ask in the browser: drop an image, watch each hop as it happens, approve what is looked at.

    The page is served on this machine alone; its address is printed. Ctrl-C ends it.
    """

    def job() -> int:
        from foveal.tools.extras import needs

        with needs("ui"):
            from foveal.page.studio import Order, serve

        return serve(Order(host, port, profile, model, base_url, trigger, approve, trace))

    return job
