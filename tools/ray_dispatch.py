"""Specialists as pools of Ray actors.

Images travel once: put into Ray's object store per content hash, as numpy, and passed as a top-level
reference, so that actors read them without a copy. Weights are loaded once per actor.

What is not covered: nodes need foveal installed (or a runtime environment); there is no authentication of its
own, a cluster's address is trusted.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence

from foveal.agent.actions import Perception
from foveal.agent.observations import Observation
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.base import Mark, Reply, Request
from foveal.tools.catalogue import REMEMBERING, Crew
from foveal.tools.dispatch import perceive
from foveal.tools.extras import needs
from foveal.tools.ray_actors import Actors
from foveal.tools.ray_home import RayHome, entered
from foveal.tools.ray_images import BORROWED, IMAGES, Borrowed, RayImages, StoreUse, Usage
from foveal.tools.ray_pool import RayPool
from foveal.tools.store import ImageStore


class RayDispatcher:
    """Runs specialists on a Ray cluster, or on a Ray started here when there is no address."""

    def __init__(
        self,
        store: ImageStore,
        crew: Crew,
        address: str | None = None,
        pools: Mapping[str, Pool] | None = None,
        deadline: float = 120.0,
        shared: tuple[str, str] | None = None,
    ) -> None:
        """`deadline` is for pools that declare none. `shared` is the profile and the digest (of weights and of
        whatever else decides the answers) under which actors are named, found, and found by other drivers."""
        self._store, self._crew, self._address = store, crew, address
        self._sizes, self._deadline, self._shared = dict(pools or {}), deadline, shared
        self._pools: dict[str, RayPool] = {}
        self._use = StoreUse()
        self._images, self._borrowed = RayImages(self._use), Borrowed(self._use)
        self._home: RayHome | None = None
        self._lock = threading.Lock()

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """Run one action on the stored image with this hash."""
        return await perceive(self._run, self._store, self._crew, action, image, marks)

    async def close(self) -> None:
        """Stop the actors that were started here, and Ray itself when it was."""
        await asyncio.to_thread(self._stop)

    def pool(self, name: str) -> RayPool:
        """A specialist's pool, made or found when first asked for. Blocks; raises SetupError."""
        with self._lock:
            if name not in self._pools:
                self._start()
                actors = Actors(name, self._crew[name], self._sizes.get(name, Pool()), self._shared)
                affine = name in REMEMBERING
                self._pools[name] = RayPool(actors, self._images, self._deadline, affine)
            return self._pools[name]

    @property
    def pools(self) -> Mapping[str, RayPool]:
        """Those that have been asked for."""
        return dict(self._pools)

    @property
    def usage(self) -> Usage:
        """What this process keeps in the object store."""
        use = self._use
        return Usage(use.images, use.borrowed, use.peak, self._images.puts)

    async def _run(self, name: str, request: Request) -> Reply:
        pool = self._pools.get(name)
        if pool is None:
            pool = await asyncio.to_thread(self.pool, name)
        return self._borrowed.taken(await pool.answer(request))

    def _start(self) -> None:
        with needs("ray"):
            import ray
        if not ray.is_initialized():
            self._home = entered(self._address)
        if not self._pools:
            self._measure()

    def _measure(self) -> None:
        """Keep to a part of the object store that there is."""
        capacity = ray_cluster.store_capacity() or 2 * IMAGES
        self._images.budget = min(IMAGES, capacity // 2)
        self._borrowed.budget = min(BORROWED, capacity // 4)
        if self._images.release not in self._store.released:
            self._store.released.append(self._images.release)

    def _stop(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
            self._images.clear()
            if self._images.release in self._store.released:
                self._store.released.remove(self._images.release)
            if self._home is not None:
                self._home.leave()
                self._home = None
