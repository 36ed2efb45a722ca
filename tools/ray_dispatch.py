"""Specialists as pools of Ray actors; the only file that knows Ray and its errors.

Images travel once: put into Ray's object store per content hash, as numpy, and passed as a top-level
reference, so that actors read them without a copy. Weights are loaded once per actor. What waits while an
actor works becomes its next batch.

What is not covered: nodes need foveal installed (or a runtime environment); there is no authentication of its
own, a cluster's address is trusted; an actor that hangs keeps its place until it answers or dies.
"""

import asyncio
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Perception
from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.agent.observations import Observation
from foveal.tools.base import Mark, Reply, Request, Specialist
from foveal.tools.cache import ByteLRU
from foveal.tools.catalogue import Crew, Factory
from foveal.tools.dispatch import answers, described, load, perceive
from foveal.tools.extras import needs
from foveal.tools.ray_home import RayHome
from foveal.tools.store import ImageStore

MAX_BATCH = 8
"""Requests that one actor answers at once."""
IN_FLIGHT = 256
"""Requests that may wait inside one actor."""
IMAGES = 512 * 2**20
"""Bytes of images kept in Ray's object store."""


@dataclass(frozen=True)
class Pool:
    """How many actors one specialist gets, and what each reserves."""

    replicas: int = 1
    num_cpus: float = 0.25
    num_gpus: float = 0.0
    max_restarts: int = 3
    """Times an actor that died is started again; its unanswered requests are repeated once."""


class Worker:
    """One specialist in one process. Answers with errors instead of raising them, so that they cross intact."""

    def __init__(self, name: str, factory: Factory) -> None:
        self._name, self._factory = name, factory
        self._specialist: Specialist | None = None
        self._waiting: list[tuple[Request, asyncio.Future[Reply | FovealError]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def run(
        self, action: Perception, image: str, marks: tuple[Mark, ...], pixels: NDArray[np.uint8]
    ) -> Reply | FovealError:
        """Answer one request, together with whatever else waits."""
        future: asyncio.Future[Reply | FovealError] = asyncio.get_running_loop().create_future()
        self._waiting.append((Request(action, image, pixels, marks), future))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drained())
        return await future

    async def _drained(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            outcomes = await asyncio.to_thread(self._answer, [request for request, _ in taken])
            for (_, future), outcome in zip(taken, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    def _answer(self, batch: list[Request]) -> list[Reply | FovealError]:
        try:
            if self._specialist is None:
                self._specialist = load(self._name, self._factory)
        except FovealError as error:
            return [error] * len(batch)
        return answers(self._name, self._specialist, batch)


class _Replica:
    """One actor, and how much it has been asked that it has not answered."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.outstanding = 0
        self._lock = threading.Lock()

    def ask(self, *arguments: Any) -> Any:
        """A future of the outcome; the actor counts as busy until it really answers, however long that takes."""
        self._add(1)
        try:
            future = self.actor.run.remote(*arguments).future()
        except BaseException:
            self._add(-1)
            raise
        future.add_done_callback(lambda _: self._add(-1))
        return future

    def _add(self, count: int) -> None:
        with self._lock:
            self.outstanding += count


class RayDispatcher:
    """Runs specialists on a Ray cluster, or on a Ray started here when there is no address."""

    def __init__(
        self,
        store: ImageStore,
        crew: Crew,
        address: str | None = None,
        pools: Mapping[str, Pool] | None = None,
        deadline: float = 120.0,
    ) -> None:
        self._store, self._crew, self._address = store, crew, address
        self._sizes = dict(pools or {})
        self._deadline = deadline
        self._pools: dict[str, list[_Replica]] = {}
        self._images: ByteLRU[Any] = ByteLRU(IMAGES)
        self._home: RayHome | None = None
        self._lock = threading.Lock()

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """Run one action on the stored image with this hash."""
        return await perceive(self._run, self._store, self._crew, action, image, marks)

    async def close(self) -> None:
        """Stop the actors, and Ray itself when it was started here."""
        await asyncio.to_thread(self._stop)

    async def _run(self, name: str, request: Request) -> Reply:
        pool, pixels = await asyncio.to_thread(self._prepared, name, request)
        with _ray_errors_as_ours(name):
            asked = _quieter(pool).ask(request.action, request.image, request.marks, pixels)
            future = asyncio.wrap_future(asked)
            await asyncio.wait([future], timeout=self._deadline)  # unlike wait_for: never cancels
            if not future.done():
                raise SpecialistError(name, f"no answer within {self._deadline:g} s")
            outcome: Reply | FovealError = future.result()
        if isinstance(outcome, FovealError):
            raise outcome
        return outcome

    def _prepared(self, name: str, request: Request) -> tuple[list[_Replica], Any]:
        """The specialist's pool and the image's reference, made when first needed."""
        with self._lock:
            self._start()
            if name not in self._pools:
                self._pools[name] = self._hired(name)
            return self._pools[name], self._reference(request)

    def _reference(self, request: Request) -> Any:
        import ray

        known = self._images.get(request.image)
        if known is None:
            known = ray.put(request.pixels)
            self._images.put(request.image, known, request.pixels.nbytes)
        return known

    def _hired(self, name: str) -> list[_Replica]:
        import ray

        size = self._sizes.get(name, Pool())
        actor = ray.remote(Worker).options(
            num_cpus=size.num_cpus,
            num_gpus=size.num_gpus,
            max_restarts=size.max_restarts,
            max_task_retries=1,
            max_concurrency=IN_FLIGHT,
        )
        return [_Replica(actor.remote(name, self._crew[name])) for _ in range(size.replicas)]

    def _start(self) -> None:
        with needs("ray"):
            import ray
        if ray.is_initialized():
            return
        home = RayHome(self._address)
        try:
            home.enter()
        except (OSError, RuntimeError, ValueError) as error:
            problem = f"Ray does not start ({described(error)})"
            if self._address:
                problem = f"no Ray cluster at {self._address!r} ({described(error)})"
            raise SetupError(problem, "check the address, or run without --ray") from error
        self._home = home

    def _stop(self) -> None:
        with self._lock:
            replicas = [replica for pool in self._pools.values() for replica in pool]
            self._pools.clear()
            self._images = ByteLRU(IMAGES)
            if replicas:
                _dismiss(replicas)
            if self._home is not None:
                self._home.leave()
                self._home = None


def _dismiss(replicas: list[_Replica]) -> None:
    import ray

    for replica in replicas if ray.is_initialized() else ():
        ray.kill(replica.actor)


def _quieter(pool: list[_Replica]) -> _Replica:
    """The less busy of two actors drawn at random: nearly as even as asking all, and nobody queues for a list."""
    return min(random.sample(pool, min(2, len(pool))), key=lambda replica: replica.outstanding)


@contextmanager
def _ray_errors_as_ours(name: str) -> Iterator[None]:
    import ray.exceptions

    try:
        yield
    except ray.exceptions.OutOfMemoryError as error:
        raise SpecialistError(name, "it ran out of memory") from error
    except ray.exceptions.RayActorError as error:
        raise SpecialistError(name, "its process died") from error
    except ray.exceptions.RayError as error:
        raise SpecialistError(name, described(error)) from error
