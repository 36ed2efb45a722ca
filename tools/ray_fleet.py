"""Shared pools from outside: raised to outlive whoever raises them, looked at, and taken down."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from foveal.agent.errors import FovealError, SetupError
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.catalogue import Crew
from foveal.tools.gauges import Stats, total
from foveal.tools.ray_actors import Actors, Name, declared, handle, names, stats
from foveal.tools.ray_errors import ours
from foveal.tools.ray_route import Replica

SETTLING = 5.0
"""Seconds without room anywhere until a replica counts as waiting for a larger cluster."""
LISTENING = 5.0
"""Seconds that all replicas together have to answer when asked how they are."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Standing:
    """One specialist's shared pool."""

    profile: str
    digest: str
    specialist: str
    states: dict[str, int]
    """Actor state, as Ray names it, to how many; SILENT are alive but did not answer."""
    restarts: int
    detached: bool
    """Whether it stays when whoever started it ends."""
    stats: Stats


def raise_pools(fleet: Sequence[Actors], tell: Tell) -> bool:
    """Start what is missing and wait until it is loaded; False if some specialist has no replica yet.

    Whatever was started is taken back when this fails. Raises SetupError.
    """
    made: list[tuple[Actors, Replica]] = []
    with _taken_back(made):
        for actors in fleet:
            made += [(actors, replica) for replica in actors.hire()]
            _tell_if_other(actors, [replica for _, replica in made], tell)
        return _awaited(made, tell)


@contextmanager
def _taken_back(made: list[tuple[Actors, Replica]]) -> Iterator[None]:
    import ray

    try:
        yield
    except BaseException:
        for _, replica in made:
            if replica.mine:
                ray.kill(replica.actor)
        raise


def _awaited(made: list[tuple[Actors, Replica]], tell: Tell) -> bool:
    began = time.monotonic()
    open_ = {actors.ready(replica): (actors, replica) for actors, replica in made}
    ready: Counter[str] = Counter()
    crowded = began
    while open_:
        for future in wait(open_, timeout=0.5, return_when="FIRST_COMPLETED").done:
            actors, _ = open_.pop(future)
            _raise_if_failed(actors.name, future)
            ready[actors.name] += 1
            seconds = time.monotonic() - began
            tell(
                f"{actors.name}: {ready[actors.name]} of {_declared(made, actors)} ready ({seconds:.1f} s)"
            )
        crowded = crowded if open_ and _no_room(open_.values()) else time.monotonic()
        if time.monotonic() - crowded > SETTLING:
            break
    for actors, replica in open_.values():
        tell(f"{actors.name}: {replica.key.rpartition('/')[2]} waits for room: {_lacking(actors)}")
    return all(ready[actors.name] for actors, _ in made)


def _tell_if_other(actors: Actors, replicas: Sequence[Replica], tell: Tell) -> None:
    """What runs already keeps its settings, which may not be what was asked for."""
    running = [one for one in replicas if not one.mine and one.key.split("/")[-2] == actors.name]
    asked = [declared(replica.actor) for replica in running]
    wait(asked, timeout=LISTENING)
    pools = [future.result() for future in asked if future.done() and not future.exception()]
    if any(
        pool.model_copy(update={"replicas": actors.pool.replicas}) != actors.pool for pool in pools
    ):
        tell(f"{actors.name} is up with other settings, which stay until `agent pool down`")


def _declared(made: list[tuple[Actors, Replica]], actors: Actors) -> int:
    return sum(one is actors for one, _ in made)


def _raise_if_failed(name: str, future: "Future[FovealError | None]") -> None:
    error = future.exception()
    refusal = future.result() if error is None else ours(name, error)
    if isinstance(refusal, SetupError):
        raise refusal
    if refusal is not None:
        raise SetupError(str(refusal), "see Ray's logs on the node, and start it again") from error


def _no_room(waiting: Iterable[tuple[Actors, Replica]]) -> bool:
    """Whether none of those that wait has been placed, nor could be now."""
    left = ray_cluster.free()
    return all(
        ray_cluster.record(replica.actor).get("State")
        in {"PENDING_CREATION", "DEPENDENCIES_UNREADY"}
        and not any(ray_cluster.holds(node, ray_cluster.needed(actors.pool)) for node in left)
        for actors, replica in waiting
    )


def _lacking(actors: Actors) -> str:
    asked = ", ".join(f"{kind} {n:g}" for kind, n in ray_cluster.needed(actors.pool).items())
    return f"it needs {asked}, free is {ray_cluster.said(ray_cluster.free())}"


def standing() -> list[Standing]:
    """Every shared pool of the cluster."""
    found = [(name, actor) for name in names() if (actor := handle(name)) is not None]
    records = {name: ray_cluster.record(actor) for name, actor in found}
    asked = {name: stats(actor) for name, actor in found if records[name].get("State") == "ALIVE"}
    wait(asked.values(), timeout=LISTENING)
    pools = groupby(found, key=lambda one: (one[0].profile, one[0].digest, one[0].specialist))
    return [_standing(key, [name for name, _ in group], records, asked) for key, group in pools]


def _standing(
    key: tuple[str, str, str],
    members: Sequence[Name],
    records: Mapping[Name, Mapping[str, Any]],
    asked: "Mapping[Name, Future[Stats]]",
) -> Standing:
    heard = {
        name: asked[name].result()
        for name in members
        if name in asked and asked[name].done() and asked[name].exception() is None
    }
    states = Counter(_state(records[name], name in heard) for name in members)
    return Standing(
        *key,
        states=dict(states),
        restarts=sum(int(records[name].get("NumRestarts", 0)) for name in members),
        detached=all(records[name].get("IsDetached", False) for name in members),
        stats=total(list(heard.values())),
    )


def _state(record: Mapping[str, Any], heard: bool) -> str:
    state = str(record.get("State", "UNKNOWN"))
    return "SILENT" if state == "ALIVE" and not heard else state


def take_down(profile: str | None) -> list[Name]:
    """End the detached pools, all or one profile's. Drivers that use them start their own. Returns what ended."""
    import ray

    ended = []
    for name in names():
        actor = handle(name)
        wanted = profile is None or name.profile == profile
        if actor is not None and wanted and ray_cluster.record(actor).get("IsDetached"):
            ray.kill(actor)
            ended.append(name)
    return ended


def fleet_of(
    wanted: Sequence[str], crew: Crew, pools: Mapping[str, Pool], shared: tuple[str, str]
) -> list[Actors]:
    """Detached actors for these specialists. Raises SetupError for one that the crew lacks."""
    missing = [name for name in wanted if name not in crew]
    if missing:
        raise SetupError(f"the profile has no {missing[0]}", f"it has: {', '.join(sorted(crew))}")
    return [
        Actors(name, crew[name], pools.get(name, Pool()), shared, "detached") for name in wanted
    ]
