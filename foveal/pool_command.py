"""What may be typed after `agent pool`."""

from typing import Annotated

import typer

from foveal.options import Job, Json, Pools, Profile, Specialists, examples

pool = typer.Typer(
    help="Specialists that stay on a Ray cluster, shared by everybody who uses the same profile.\n\n"
    "Whoever reaches a cluster's address may run anything on it: do not let strangers."
)
Address = Annotated[str, typer.Option(metavar="ADDRESS", help="The cluster: auto, or host:port.")]


@pool.command(
    epilog=examples(
        "agent pool up",
        "agent pool up --pool detector.replicas=2 --pool detector.num_gpus=0.5",
        "agent pool up --profile team.toml --ray 10.0.0.1:6379",
    )
)
def up(
    profile: Profile = None,
    ray: Address = "auto",
    pools: Pools = None,
    specialists: Specialists = None,
) -> Job:
    """Start the profile's specialists and wait until they are loaded. Again: start what is missing."""

    def job() -> int:
        from foveal import pooling

        return pooling.up(profile, ray, pools or [], specialists or [])

    return job


@pool.command(
    epilog=examples("agent pool status", "agent pool status --json | jq '.pools[].queue'")
)
def status(ray: Address = "auto", as_json: Json = False) -> Job:
    """Say how every shared pool is doing."""

    def job() -> int:
        from foveal import pooling

        return pooling.status(ray, as_json)

    return job


@pool.command(epilog=examples("agent pool down", "agent pool down --profile embedded"))
def down(
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this profile's; by default all.")
    ] = None,
    ray: Address = "auto",
) -> Job:
    """Stop them. Whoever uses them now goes on with specialists of their own."""

    def job() -> int:
        from foveal import pooling

        return pooling.down(profile, ray)

    return job
