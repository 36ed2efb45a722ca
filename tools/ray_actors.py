"""Workers as Ray actors: made or found, cared for, ended. Named ones are shared by all drivers that look."""

from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from foveal.agent.errors import FovealError, SpecialistError
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.catalogue import Factory
from foveal.tools.gauges import Health, Stats
from foveal.tools.ray_errors import fate
from foveal.tools.ray_keeper import Fate
from foveal.tools.ray_route import Replica
from foveal.tools.worker import Worker

NAMESPACE = "foveal"
"""Where named actors live, apart from everybody else's."""
CARE = "care"
"""The concurrency group that answers while the specialist works."""
TRIES = 5
"""To make or else find an actor whose name somebody is giving up just then."""
AT_ONCE = 1000
"""Requests that one actor lets in; its callers' limits are far lower."""


@dataclass(frozen=True, order=True)
class Name:
    """What a shared actor is called: drivers that agree on all of it mean the same one."""

    profile: str
    digest: str
    """Of the weights and of everything else that decides the answers."""
    specialist: str
    index: int

    def __str__(self) -> str:
        return f"{self.profile}/{self.digest}/{self.specialist}/{self.index}"


def names() -> list[Name]:
    """Every shared actor that is alive or on its way."""
    import ray

    listed = ray.util.list_named_actors(all_namespaces=True)
    found = [_name(one["name"]) for one in listed if one["namespace"] == NAMESPACE]
    return sorted(filter(None, found))


def _name(text: str) -> Name | None:
    parts = text.rsplit("/", 3)
    if len(parts) != 4 or not parts[3].isdecimal():
        return None
    return Name(parts[0], parts[1], parts[2], int(parts[3]))


def handle(name: Name) -> Any | None:
    """The actor of this name, if there is one."""
    import ray

    with suppress(ValueError):
        return ray.get_actor(str(name), namespace=NAMESPACE)
    return None


def stats(actor: Any) -> "Future[Stats]":
    """How an actor has done, answered even while it works."""
    future: Future[Stats] = actor.stats.options(concurrency_group=CARE).remote().future()
    return future


def declared(actor: Any) -> "Future[Pool]":
    """What an actor was started with."""
    future: Future[Pool] = actor.declared.options(concurrency_group=CARE).remote().future()
    return future


@dataclass(frozen=True)
class Actors:
    """One specialist's actors."""

    name: str
    factory: Factory
    pool: Pool
    shared: tuple[str, str] | None = None
    """Profile and digest of a pool that others may use too."""
    lifetime: Literal["detached"] | None = None
    """Detached actors outlive this process."""

    def hire(self) -> list[Replica]:
        """As many as declared, and whatever others have already started.

        Raises SetupError when the cluster can never hold one.
        """
        found = {name.index: name for name in names() if self._means(name)} if self.shared else {}
        replicas = [
            Replica(str(name), actor, mine=False)
            for name in found.values()
            if (actor := handle(name)) is not None
        ]
        missing = [index for index in range(self.pool.replicas) if index not in found]
        if missing and not replicas:
            ray_cluster.require(self.name, self.pool)
        return [*replicas, *(self._made(index) for index in missing)]

    def ready(self, replica: Replica) -> "Future[FovealError | None]":
        """Answered once its specialist is loaded."""
        return self._asked(replica, "ready")

    def health(self, replica: Replica) -> "Future[Health]":
        """Answered at once by one that is well, even while it works."""
        return self._asked(replica, "health")

    def drop(self, replica: Replica, ticket: str) -> None:
        """Nobody waits for this request any more."""
        self._asked(replica, "drop", ticket)

    def fate(self, error: BaseException) -> Fate:
        """What a failed probe says."""
        return fate(error)

    def restart(self, replica: Replica) -> None:
        """End its process; another starts in its place while restarts are left."""
        import ray

        with suppress(Exception):
            ray.kill(replica.actor, no_restart=False)

    def replace(self, replica: Replica) -> bool:
        """Give a replica that is gone a new actor: somebody else's by now, or one of our own."""
        try:
            ray_cluster.require(self.name, self.pool)
            new = self._made(int(replica.key.rpartition("/")[2]))
        except Exception:  # the cluster itself may be going
            return False
        replica.actor, replica.mine = new.actor, new.mine
        return True

    def dismiss(self, replicas: list[Replica]) -> None:
        """End those that were made here, and let go of all: Ray counts handles, and gives their ids again."""
        import ray

        for replica in replicas:
            if replica.mine and self.lifetime is None and ray.is_initialized():
                with suppress(Exception):
                    ray.kill(replica.actor)
            replica.actor = None

    def _means(self, name: Name) -> bool:
        return (name.profile, name.digest) == self.shared and name.specialist == self.name

    def _made(self, index: int) -> Replica:
        """A new actor, unless somebody was faster."""
        options = self._options()
        if self.shared is None:
            return Replica(
                f"{self.name}/{index}", self._class().options(**options).remote(*self._start)
            )
        name = Name(*self.shared, self.name, index)
        options |= {"name": str(name), "namespace": NAMESPACE, "lifetime": self.lifetime}
        for _ in range(TRIES):
            with suppress(ValueError):  # the name is taken
                return Replica(str(name), self._class().options(**options).remote(*self._start))
            actor = handle(name)
            if actor is not None:
                return Replica(str(name), actor, mine=False)
        raise SpecialistError(self.name, "another driver is ending its pool just now")

    @property
    def _start(self) -> tuple[str, Factory, Pool]:
        return self.name, self.factory, self.pool

    def _class(self) -> Any:
        import ray

        remote: Any = ray.remote
        return remote(concurrency_groups={CARE: 100})(Worker)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "num_cpus": self.pool.num_cpus,
            "num_gpus": self.pool.num_gpus,
            "max_restarts": self.pool.max_restarts,
            "max_task_retries": 0,  # repeated on another replica instead, see ray_pool
            "max_concurrency": AT_ONCE,
            "scheduling_strategy": self._strategy(),
        }
        if self.pool.accelerator_type is not None:
            options["accelerator_type"] = self.pool.accelerator_type
        return options

    def _strategy(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if self.pool.placement != "pack":
            return self.pool.placement.upper()
        node = ray_cluster.roomiest(ray_cluster.needed(self.pool))
        return "DEFAULT" if node is None else NodeAffinitySchedulingStrategy(node, soft=True)

    def _asked(self, replica: Replica, method: str, *arguments: Any) -> "Future[Any]":
        """Failing to ask is an answer too."""
        import ray

        try:
            if not ray.is_initialized():
                raise ConnectionError("Ray has stopped")
            call = getattr(replica.actor, method).options(concurrency_group=CARE)
            future: Future[Any] = call.remote(*arguments).future()
        except Exception as error:
            future = Future()
            future.set_exception(error)
        return future
