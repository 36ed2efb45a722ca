"""A cluster that shrinks and grows while agents answer: every question is answered, and new room is used."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from foveal.graphs.budgets import Spent
from foveal.graphs.crowd import Crowd, Hire
from foveal.graphs.result import Result

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SIZE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
HIRE = Hire(agents=2, concurrency=2, num_cpus=1)


class StandIn:
    """Answers, after a while, with the process that it is."""

    async def aload(self) -> None:
        """Nothing to load."""

    async def aask(self, image: bytes, question: str) -> Result:
        await asyncio.sleep(0.05)
        return Result(
            answer=f"{question} {os.getpid()}", confidence=None, hops=(), evidence=(), ended_by="answer",
            usage=Spent(), seconds=0, trace=None, notes=(), run="r", image="h",
        )  # fmt: skip

    def close(self) -> None:
        """Nothing was started."""


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two raylets, each with room for one agent."""
    import ray
    from ray.cluster_utils import Cluster

    nodes: Any = Cluster(initialize_head=True, head_node_args={**SIZE, "include_dashboard": False})
    nodes.second = nodes.add_node(**SIZE)
    ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.ERROR)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield nodes
    ray.shutdown()
    nodes.shutdown()


async def ready(crowd: Crowd, count: int) -> None:
    while crowd.ready != count:
        await asyncio.sleep(0.01)


async def test_a_node_leaves_and_another_joins(cluster: Any) -> None:
    make: Any = StandIn
    crowd = Crowd(make, HIRE)
    crowd.open()
    await ready(crowd, 2)
    asked = [asyncio.create_task(crowd.aask(b"", f"{n}")) for n in range(100)]
    await asked[0]
    await asyncio.to_thread(cluster.remove_node, cluster.second)
    answers = [(await task).answer.split() for task in asked]
    assert [number for number, _ in answers] == [f"{n}" for n in range(100)]
    await ready(crowd, 1)
    assert crowd.restarts == 1
    cluster.add_node(**SIZE)  # only works in the main thread
    await ready(crowd, 2)
    asked = [asyncio.create_task(crowd.aask(b"", f"{n}")) for n in range(4)]
    processes = {(await task).answer.split()[1] for task in asked}
    assert len(processes) == 2
    await crowd.close()
