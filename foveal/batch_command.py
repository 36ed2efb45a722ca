"""What may be typed after `agent batch`."""

from typing import Annotated

import typer

from foveal.options import (
    BaseUrl,
    Gate,
    Job,
    Json,
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
    "agent batch questions.jsonl --out answers",
    "agent batch hf:owner/name:test --out answers --column question=query",
    "agent batch q.parquet --out /shared/answers --ray auto --agents 4 --agent-gpus 0.5",
)


def batch(
    questions: Annotated[
        str,
        typer.Argument(
            metavar="QUESTIONS", help="JSONL or Parquet file, saved dataset, hf:NAME[:SPLIT], or -."
        ),
    ],
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Folder for results; goes on with what is there.")
    ],
    ray: Annotated[
        str | None,
        typer.Option(metavar="[ADDRESS]", help="Agents on Ray: here, or auto, host:port."),
    ] = None,
    agents: Annotated[int, typer.Option(min=1, metavar="N", help="Agents, with --ray.")] = 1,
    concurrency: Annotated[
        int, typer.Option(min=1, metavar="C", help="Questions that an agent has in flight.")
    ] = 8,
    agent_cpus: Annotated[
        float, typer.Option(min=0, metavar="X", help="Processors that each agent reserves.")
    ] = 0.25,
    agent_gpus: Annotated[
        float | None,
        typer.Option(min=0, metavar="X", help="GPUs that each reserves, 0.5 for half of one."),
    ] = None,
    profile: Profile = None,
    model: Model = None,
    trigger: Trigger = None,
    base_url: BaseUrl = None,
    tools: Tools = None,
    max_hops: MaxHops = None,
    gate: Gate = None,
    trace: Annotated[
        bool, typer.Option("--trace", metavar="", help="Write a trace of every run to DIR/traces.")
    ] = False,
    pool: Pools = None,
    specialists: Specialists = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A column's name there: question=query."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N questions.")
    ] = None,
    skip_bad_rows: Annotated[
        bool,
        typer.Option("--skip-bad-rows", metavar="", help="Let unreadable rows be failures."),
    ] = False,
    keep_failures: Annotated[
        bool,
        typer.Option("--keep-failures", metavar="", help="Do not try again what failed before."),
    ] = False,
    resume_anyway: Annotated[
        bool,
        typer.Option("--resume-anyway", metavar="", help="Go on although settings have changed."),
    ] = False,
    no_parquet: Annotated[
        bool, typer.Option("--no-parquet", metavar="", help="Write no results.parquet.")
    ] = False,
    as_json: Json = False,
) -> Job:
    """Answer many questions; started again, it goes on where it ended.

    Each question has an image (a path from the file's folder, a URL, or bytes) and a question.

    It may have an id, and an answer to compare with; other columns are carried to the results.

    DIR gets results.jsonl and failures.jsonl as they come, then results.parquet and run.json.

    Exit code 1 if any question failed or got no answer, 130 if interrupted.
    """

    def job() -> int:
        from foveal import batching

        order = batching.Order(
            questions, out, ray, agents, concurrency, agent_cpus, agent_gpus, profile, model, trigger,
            base_url, tools, max_hops, gate, trace, tuple(pool or ()), tuple(column or ()), limit,
            skip_bad_rows, keep_failures, resume_anyway, not no_parquet, as_json,
            tuple(specialists or ()),
        )  # fmt: skip
        return batching.run(order)

    return job
