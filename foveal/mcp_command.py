"""What may be typed after `agent mcp`."""

from typing import Annotated

import typer

from foveal.options import (
    BaseUrl,
    Gate,
    Job,
    MaxHops,
    Model,
    Pools,
    Profile,
    Ray,
    Specialists,
    Tools,
    Trigger,
    examples,
)

EXAMPLES = examples(
    "agent mcp",
    "agent mcp --root ~/Pictures",
    "FOVEAL_TOKEN=secret agent mcp --http --host 0.0.0.0",
)


def mcp(
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    trigger: Trigger = None,
    ray: Ray = None,
    pools: Pools = None,
    specialists: Specialists = None,
    tools: Tools = None,
    max_hops: MaxHops = None,
    gate: Gate = None,
    trace: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a JSONL trace of each run there.")
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR", help="Folder whose images may be read, else the current one; repeat it."
        ),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", metavar="", help="Listen for HTTP instead of on stdin.")
    ] = False,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="With --http: where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="With --http: 0 for any free one.")
    ] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --http: a name of this machine; repeat it."),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", metavar="", help="With --http: let everybody in.")
    ] = False,
) -> Job:
    """Be a server of the Model Context Protocol: its clients ask, look, detect, segment, measure depth and read.

    A client starts it and speaks to it on stdin and stdout. With --http it waits for clients; the token that they
    have to send comes from FOVEAL_TOKEN.
    """

    def job() -> int:
        from foveal.agent.settings import settings
        from foveal.tools.extras import needs

        with needs("mcp"):
            from foveal.mcp.serving import Order, serve
            from foveal.mcp.streaming import Door

        secret = settings().token
        door = Door(
            host=host,
            port=port,
            token=secret.get_secret_value() if secret else None,
            open=no_auth,
            names=tuple(allow_host or ()),
        )
        order = Order(
            profile=profile,
            model=model,
            base_url=base_url,
            trigger=trigger,
            ray=ray,
            pools=tuple(pools or ()),
            specialists=tuple(specialists or ()),
            tools=tools,
            max_hops=max_hops,
            gate=gate,
            trace=trace,
            roots=tuple(root or ()),
            door=door if http else None,
        )
        return serve(order)

    return job
