"""Whole questions over pools: what the model is told when one is gone, and what is left behind."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from foveal.agent.observations import Detected, Failed
from foveal.agent.pools import Pool
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@pytest.fixture
def dispatcher(stand_ins: Crew, store: ImageStore) -> Iterator[RayDispatcher]:
    one = RayDispatcher(store, stand_ins, pools={"detector": Pool(max_restarts=0, retries=0)})
    yield one
    asyncio.run(one.close())


def picture(level: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((32, 32, 3), level, np.uint8)


def detect(phrase: str) -> str:
    return f"<|detect_start|>{phrase}<|detect_end|>"


def test_a_dead_pool_is_told_and_the_question_is_answered(
    dispatcher: RayDispatcher, store: ImageStore
) -> None:
    model = ScriptedModel([detect("die"), detect("red"), "2"])
    with Agent(model=model, dispatcher=dispatcher, store=store) as agent:
        result = agent.ask(picture(7), "How many?")
    assert result.answer == "2"
    told = [hop.observation for hop in result.hops]
    assert told == [Failed(error="specialist", message="detector failed: its process died")] * 2


def test_the_image_is_freed_when_the_run_ends(dispatcher: RayDispatcher, store: ImageStore) -> None:
    model = ScriptedModel([detect("red"), detect("blue"), "2"])
    with Agent(model=model, dispatcher=dispatcher, store=store) as agent:
        result = agent.ask(picture(9), "How many?")
        assert agent.object_store_peak == picture(9).nbytes
    assert [hop.observation.kind for hop in result.hops] == ["detected"] * 2
    assert (dispatcher.usage.puts, dispatcher.usage.images) == (1, 0)
    assert dispatcher.usage.peak == picture(9).nbytes


async def test_a_question_that_runs_out_of_time_takes_back_what_it_asked(
    dispatcher: RayDispatcher, store: ImageStore
) -> None:
    """Two questions ask the same actor; the one that is cancelled harms the other in nothing."""
    model = ScriptedModel([detect("slowly"), "2"])
    with Agent(model=model, dispatcher=dispatcher, store=store) as agent:
        asked = [asyncio.create_task(agent.aask(picture(n), "How many?")) for n in range(8)]
        while not (dispatcher.pools and dispatcher.pool("detector").router.replicas[0].outstanding):
            await asyncio.sleep(0.01)
        asked[0].cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    for n, result in enumerate(results[1:], start=1):
        assert not isinstance(result, BaseException)
        found = result.hops[0].observation
        assert isinstance(found, Detected)
        assert found.objects[0].score == n
