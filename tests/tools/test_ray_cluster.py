"""Two raylets: where replicas go, and nodes that leave and join while questions are asked."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Detect
from foveal.agent.observations import Detected
from foveal.agent.pools import Pool
from foveal.tools import ray_cluster
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

Open = Callable[..., RayDispatcher]


@pytest.fixture
def open_pool(two_raylets: Any, stand_ins: Crew, store: ImageStore) -> Iterator[Open]:
    opened: list[RayDispatcher] = []

    def open_(**options: object) -> RayDispatcher:
        pools = {"detector": Pool.model_validate(options)}
        opened.append(RayDispatcher(store, stand_ins, pools=pools))
        return opened[-1]

    yield open_
    for dispatcher in opened:
        asyncio.run(dispatcher.close())


@contextmanager
def joined(cluster: Any, **more: Any) -> Iterator[Any]:
    """One more raylet of two processors, which may be removed by whoever uses it.

    Ray takes a raylet that was killed for a node until its health checks fail, and places replicas there: so
    those are waited for first, and this one leaves in order.
    """
    cluster.wait_for_nodes(timeout=60)
    node = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20, **more)
    try:
        yield node
    finally:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


def replicas_at(dispatcher: RayDispatcher) -> list[str]:
    """The node of each replica."""
    replicas = dispatcher.pool("detector").router.replicas
    return [ray_cluster.record(one.actor)["Address"]["NodeID"] for one in replicas]


async def all_open(dispatcher: RayDispatcher) -> None:
    pool = await asyncio.to_thread(dispatcher.pool, "detector")
    while any(replica.state != "open" for replica in pool.router.replicas):
        await asyncio.sleep(0.02)


@pytest.mark.ray
async def test_spread_replicas_are_on_both_nodes_and_packed_ones_on_one(open_pool: Open) -> None:
    counts = []
    for placement in ("spread", "pack"):
        await all_open(dispatcher := open_pool(replicas=4, placement=placement))
        counts.append(len(set(replicas_at(dispatcher))))
        await dispatcher.close()
    assert counts == [2, 1]


@pytest.mark.ray
async def test_replicas_without_room_start_when_a_node_joins(
    open_pool: Open, store: ImageStore, two_raylets: Any
) -> None:
    dispatcher, image = open_pool(num_cpus=2, replicas=3), store.put(np.ones((4, 4, 3), np.uint8))
    await dispatcher.dispatch(Detect(phrase="x"), image)
    with joined(two_raylets):
        await all_open(dispatcher)
        assert len(set(replicas_at(dispatcher))) == 3
        await dispatcher.close()


@pytest.mark.ray
async def test_two_replicas_share_a_gpu_and_a_third_waits_for_another(
    open_pool: Open, store: ImageStore, two_raylets: Any
) -> None:
    """The node says that it has one; nobody looks."""
    with joined(two_raylets, num_gpus=1) as node:
        dispatcher = open_pool(num_gpus=0.5, replicas=3)
        image = store.put(np.ones((4, 4, 3), np.uint8))
        await dispatcher.dispatch(Detect(phrase="x"), image)
        replicas = dispatcher.pool("detector").router.replicas
        while sum(replica.state == "open" for replica in replicas) < 2:
            await asyncio.sleep(0.02)
        assert sorted(replica.state for replica in replicas) == ["joining", "open", "open"]
        placed = zip(replicas, replicas_at(dispatcher), strict=True)
        assert {at for replica, at in placed if replica.state == "open"} == {node.node_id}
        await dispatcher.close()


@pytest.mark.ray
@pytest.mark.slow
async def test_a_node_that_leaves_in_the_middle_costs_no_answer(
    open_pool: Open, store: ImageStore, two_raylets: Any
) -> None:
    with joined(two_raylets) as third:
        dispatcher = open_pool(replicas=3, placement="spread", max_batch=2)
        await all_open(dispatcher)
        assert third.node_id in replicas_at(dispatcher)
        images = [store.put(np.full((6, 6, 3), level, np.uint8)) for level in range(60)]
        asked = [
            asyncio.create_task(dispatcher.dispatch(Detect(phrase="slowly"), one)) for one in images
        ]
        while sum(task.done() for task in asked) < 10:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(two_raylets.remove_node, third, False)
    found = await asyncio.gather(*asked)
    scores = [one.objects[0].score for one in found if isinstance(one, Detected)]
    assert scores == list(range(60))
    await all_open(dispatcher)  # the replica that was there has started elsewhere
    assert third.node_id not in replicas_at(dispatcher)


def test_what_a_replica_needs_in_rays_words() -> None:
    needed = ray_cluster.needed(Pool(num_cpus=0, num_gpus=0.5, accelerator_type="L4"))
    assert needed == {"GPU": 0.5, "accelerator_type:L4": 0.001}
    assert ray_cluster.holds({"GPU": 1.0, "accelerator_type:L4": 1.0}, needed)
    assert not ray_cluster.holds({"GPU": 8.0}, needed)


def test_what_a_cluster_has_in_ours() -> None:
    node = {"CPU": 8.0, "GPU": 2.0, "memory": 1e9, "accelerator_type:L4": 1.0, "node:10.0.0.1": 1.0}
    assert ray_cluster.said([node]) == "CPU 8, GPU 2, accelerator_type:L4 1"
    assert ray_cluster.said([node, {}]) == "2 nodes: CPU 8, GPU 2, accelerator_type:L4 1; nothing"
    assert ray_cluster.said([{"CPU": 1.0}] * 10).endswith("CPU 1; ...")
