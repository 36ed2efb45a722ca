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

Seed = Annotated[int, typer.Option(min=0, metavar="S", help="Which scenes are drawn.")]
SplitName = Annotated[
    Literal["train", "val", "test", "hard"],
    typer.Option(
        help="Which scenes to draw from; hard ones are fuller, larger and of kinds never trained on."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Keep each question there as it is answered; given again, it goes on."
    ),
]


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
    seed: Seed = 0,
    split: SplitName = "test",
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
    out: Out = None,
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


@measures.command(
    "outside",
    epilog=examples(
        "agent eval outside --limit 20", "agent eval outside --out runs/outside --json | jq .share"
    ),
)
def outside(
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Questions of each kind, instead of all."),
    ] = None,
    seed: Seed = 0,
    profile: Profile = None,
    model: Model = None,
    base_url: BaseUrl = None,
    out: Out = None,
    as_json: Json = False,
) -> Job:
    """Ask what cannot be known, about tables and photographs: how often is the answer confident all the same?

    The photographs are those in scikit-image's wheel; nothing is downloaded.
    """

    def job() -> int:
        from foveal import outside
        from foveal.agent.choosing import choose

        chosen = choose(profile, model, None, base_url)
        return outside.tell(outside.Order(chosen, limit, seed, as_json, out))

    return job


@measures.command("specialists", epilog=examples("agent eval specialists --scenes 50"))
def specialists(
    split: SplitName = "test",
    scenes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Scenes to look at, the first ones.")
    ] = 200,
    profile: Profile = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep each one's numbers there; given again, it goes on."),
    ] = None,
) -> Job:
    """Measure the detector, the segmenter and the depth estimator by themselves; prints one JSON object."""

    def job() -> int:
        from foveal import specialist_scores
        from foveal.agent.choosing import choose

        order = specialist_scores.Order(choose(profile), split, scenes, out)
        return specialist_scores.tell(order)

    return job


@measures.command(
    "results",
    epilog=examples(
        "agent eval results --out runs/results",
        "agent eval results --out runs/results --write docs/results.md",
    ),
)
def results(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where everything is kept; given again, it goes on.")
    ],
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Questions of each evaluation.")
    ] = 600,
    seed: Seed = 0,
    profile: Profile = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the table there, too, in the place of one that is there."
        ),
    ] = None,
) -> Job:
    """Do every evaluation that is published, and print targets beside what was reached, as Markdown.

    Takes about half an hour on two cores; what is interrupted loses one question at most.
    """

    def job() -> int:
        from foveal import results
        from foveal.agent.choosing import choose

        return results.results(results.Order(out, choose(profile), limit, seed, write, profile))

    return job
