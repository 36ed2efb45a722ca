"""What may be typed after `agent run`."""

from typing import Annotated

import typer

from foveal.options import (
    BaseUrl,
    Checkpoint,
    Gate,
    Job,
    Json,
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
    'agent run --image x.jpg --question "What is written on the bus?"',
    "agent run --image - --question 'How many dogs?' <x.jpg",
    "agent run --image x.jpg --question 'How many dogs?' --json | jq .answer",
    "agent run --image x.jpg --question - --json <questions.txt >answers.jsonl",
)


def run(
    image: Annotated[
        list[str],
        typer.Option(metavar="PATH|URL|-", help="The image; - is stdin. Repeat it for several."),
    ],
    question: Annotated[
        str, typer.Option(metavar="TEXT|-", help="What to find out; - reads one a line from stdin.")
    ],
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
    checkpoint: Checkpoint = None,
    approve: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Ask a person before these: look,detect,... or all."),
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
            image=tuple(image),
            question=question,
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
            schema=schema,
            verify=verify,
            json=as_json,
            trace=trace,
            checkpoint=checkpoint,
            approve=approve,
            hops=hops,
        )
        return asking.run(order)

    return job
