"""Replicas that died while nobody asked them: what a request that has already lost one meets next."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect
from foveal.agent.errors import SpecialistError
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_pool import RayPool
from foveal.tools.ray_route import ranked
from foveal.tools.store import ImageStore

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@pytest.fixture
async def detectors(stand_ins: Crew, store: ImageStore) -> AsyncIterator[RayDispatcher]:
    """Four that are open, may be lost, and lose a request twice at most."""
    few = Pool(replicas=4, num_cpus=0.1, retries=1, max_restarts=0)
    dispatcher = RayDispatcher(store, stand_ins, pools={"detector": few})
    pool = await asyncio.to_thread(dispatcher.pool, "detector")
    while any(one.state != "open" for one in pool.router.replicas):
        await asyncio.sleep(0.01)
    yield dispatcher
    await dispatcher.close()


async def kill(pool: RayPool, image: str, count: int) -> None:
    """The image's first favourites, without anybody being told."""
    for replica in ranked(image, pool.router.replicas)[:count]:
        os.kill(ray_cluster.record(replica.actor)["Pid"], signal.SIGKILL)
        while ray_cluster.record(replica.actor)["State"] != "DEAD":
            await asyncio.sleep(0.01)


async def test_one_that_is_found_dead_before_it_was_asked_costs_no_attempt(
    detectors: RayDispatcher, store: ImageStore, photo: NDArray[np.uint8]
) -> None:
    pool, image = detectors.pool("detector"), store.put(photo)
    await kill(pool, image, 3)
    found = await detectors.dispatch(Detect(phrase="x"), image)
    assert found.kind == "detected"
    assert sorted(one.state for one in pool.router.replicas) == ["dead"] * 3 + ["open"]
    assert [one.outstanding for one in pool.router.replicas] == [0] * 4


async def test_when_all_are_found_dead_it_is_told(
    detectors: RayDispatcher, store: ImageStore, photo: NDArray[np.uint8]
) -> None:
    pool, image = detectors.pool("detector"), store.put(photo)
    await kill(pool, image, 4)
    with pytest.raises(SpecialistError, match="detector failed: its process died"):
        await detectors.dispatch(Detect(phrase="x"), image)
