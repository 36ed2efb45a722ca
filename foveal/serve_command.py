"""What may be typed after `agent serve`."""

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
    Specialists,
    Tools,
    Trigger,
    examples,
)

EXAMPLES = examples(
    "agent serve",
    "FOVEAL_TOKEN=... agent serve --host 0.0.0.0 --port 8000",
    "FOVEAL_TOKEN=... agent serve --host 0.0.0.0 --ray auto --replicas 1-4",
)


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 for everywhere.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 for any that is free.")
    ] = 8000,
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    trigger: Trigger = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="[ADDRESS]", help="Agents on Ray: here, or auto, host:port."),
    ] = None,
    replicas: Annotated[
        str | None,
        typer.Option(metavar="N|MIN-MAX", help="With --ray: how many agents, as load needs."),
    ] = None,
    replica_cpus: Annotated[
        float, typer.Option(min=0, metavar="X", help="Processors that each agent reserves.")
    ] = 0.25,
    replica_gpus: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="GPUs that each reserves, 0.5 for half of one."),
    ] = None,
    pools: Pools = None,
    specialists: Specialists = None,
    tools: Tools = None,
    max_hops: MaxHops = None,
    gate: Gate = None,
    in_flight: Annotated[
        int, typer.Option(min=1, metavar="N", help="Questions an agent answers at once.")
    ] = 8,
    queue: Annotated[
        int, typer.Option(min=0, metavar="N", help="Questions that may wait; more get a 429.")
    ] = 32,
    seconds: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="After which it must answer.")
    ] = 300.0,
    max_body: Annotated[
        float, typer.Option(min=0.001, metavar="MIB", help="The largest request.")
    ] = 32.0,
    drain: Annotated[
        int, typer.Option(min=0, metavar="S", help="Time to finish in, after SIGTERM.")
    ] = 30,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", metavar="", help="Answer anybody, without a token.")
    ] = False,
    trace: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a JSONL trace of every run there.")
    ] = None,
) -> Job:
    """Answer over HTTP as OpenAI's API does: /v1/chat/completions, /v1/models, /metrics.

    Clients send FOVEAL_TOKEN as their API key. Without one only this machine is answered.

    Exit code 0 after SIGTERM or Ctrl-C, 130 after a second one.
    """

    def job() -> int:
        from foveal.tools.extras import needs

        with needs("serve"):
            from foveal.http import serving

        order = serving.Order(
            host=host,
            port=port,
            profile=profile,
            model=model,
            base_url=base_url,
            trigger=trigger,
            ray=ray,
            replicas=replicas,
            replica_cpus=replica_cpus,
            replica_gpus=replica_gpus,
            pools=tuple(pools or ()),
            specialists=tuple(specialists or ()),
            tools=tools,
            max_hops=max_hops,
            gate=gate,
            in_flight=in_flight,
            queue=queue,
            seconds=seconds,
            max_body=max_body,
            drain=drain,
            no_auth=no_auth,
            trace=trace,
        )
        return serving.run(order)

    return job
