"""What may be typed after `agent eval`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from foveal.options import (
    BaseUrl,
    Gate,
    Job,
    Json,
    Model,
    Profile,
    Specialists,
    Tools,
    Trigger,
    examples,
)

measures = typer.Typer(help="Measure how often the agent is right.")


@measures.command(
    "tabletop",
    epilog=examples(
        "agent eval tabletop --limit 40 --seed 7",
        "agent eval tabletop --tools none --json | jq .accuracy",
        "agent eval tabletop --limit 600 --out runs/test",
    ),
)
def tabletop(
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
    specialists: Specialists = None,
    ablate: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Replace, by comma: tools=none, observation=blank|shuffle|oracle, tokens=blank, "
            "region=random, h=zero|random|other|none, c=zero.",
        ),
    ] = None,
    families: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Ask about these alone, by comma: count,read,symbol."),
    ] = None,
    gate: Gate = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            metavar="",
            help="Ask again with what was seen withheld, and report which tools caused right answers; "
            "takes up to twice the time.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep each question there as it is answered; given again, it goes on.",
        ),
    ] = None,
    as_json: Json = False,
) -> Job:
    """Ask about rendered tables that no training has seen, one question a scene."""

    def job() -> int:
        from foveal import evaluating
        from foveal.agent.choosing import choose

        chosen = choose(profile, model, trigger, base_url, specialists or ())
        order = evaluating.Order(
            limit, seed, chosen, tools, ablate, as_json, gate, split, families, verify, out
        )
        return evaluating.tabletop(order)

    return job
