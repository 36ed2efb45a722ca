"""Replicas of whose death nobody has been told yet: what that costs a request, and those that wait for room."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect
from foveal.agent.errors import SpecialistError
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_home import entered
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


async def test_whoever_waits_is_not_given_the_place_of_one_that_has_just_died(
    stand_ins: Crew, store: ImageStore, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    narrow = Pool(max_queue=1, retries=0)
    dispatcher = RayDispatcher(store, stand_ins, pools={"detector": narrow})
    pool, image = await asyncio.to_thread(dispatcher.pool, "detector"), store.put(photo)
    phrases = (f"wait for {tmp_path / 'nothing'}", "x")
    first, second = (
        asyncio.create_task(dispatcher.dispatch(Detect(phrase=phrase), image)) for phrase in phrases
    )
    while not (pool.router.replicas[0].outstanding and pool.router._waiting):
        await asyncio.sleep(0.01)
    os.kill(ray_cluster.record(pool.router.replicas[0].actor)["Pid"], signal.SIGKILL)
    with pytest.raises(SpecialistError, match="detector failed: its process died"):
        await first
    assert (await second).kind == "detected"
    await dispatcher.close()


def test_ray_is_started_such_that_a_death_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    name, seen = "RAY_timeout_ms_task_wait_for_death_info", []
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ray, "init", lambda **options: seen.append(os.environ[name]))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    entered(None).leave()
    assert seen == ["0"]
