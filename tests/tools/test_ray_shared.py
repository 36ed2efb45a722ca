"""One pool for several drivers: found by name, used at the same time, and outlived."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Detect
from foveal.agent.errors import SetupError
from foveal.agent.observations import Detected
from foveal.agent.pools import Pool
from foveal.tools.catalogue import Crew
from foveal.tools.ray_actors import Actors, Name, names
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_fleet import fleet_of, raise_pools, standing, take_down
from foveal.tools.store import ImageStore

pytestmark = pytest.mark.ray

SHARED = ("team/a", "d1")
DRIVER = """
import asyncio, sys
import numpy as np
from foveal.agent.actions import Detect
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

def nobody():
    raise RuntimeError("this driver cannot make one")

async def main(address, digest):
    store = ImageStore()
    dispatcher = RayDispatcher(store, {"detector": nobody}, address, shared=("team/a", digest))
    image = store.put(np.full((6, 6, 3), 7, np.uint8))
    found = await dispatcher.dispatch(Detect(phrase="x"), image)
    print(found.objects[0].label.split()[-1], found.objects[0].score)
    await dispatcher.close()

asyncio.run(main(*sys.argv[1:]))
"""
Drive = Callable[..., RayDispatcher]


@pytest.fixture
def drive(two_raylets: Any, stand_ins: Crew, store: ImageStore) -> Iterator[Drive]:
    """Makes dispatchers of this process, which are drivers of their own as far as names go."""
    made: list[RayDispatcher] = []

    def make(shared: tuple[str, str] = SHARED, **options: object) -> RayDispatcher:
        pools = {"detector": Pool.model_validate(options)}
        crew = {"detector": stand_ins["detector"]}
        made.append(RayDispatcher(store, crew, pools=pools, shared=shared))
        return made[-1]

    yield make
    for dispatcher in made:
        asyncio.run(dispatcher.close())
    take_down(None)


async def process(dispatcher: RayDispatcher) -> str:
    """The process that answers."""
    image = dispatcher._store.put(np.full((6, 6, 3), 7, np.uint8))
    found = await dispatcher.dispatch(Detect(phrase="x"), image)
    assert isinstance(found, Detected)
    return found.objects[0].label.split()[-1]


def another_driver(address: str, digest: str = "d1") -> tuple[int, str, str]:
    """A process of its own: its exit code, what it printed, and its last line of complaint."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, address, digest], capture_output=True, text=True
    )
    return done.returncode, done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


async def test_another_driver_finds_the_pool_and_leaves_it_as_it_was(
    drive: Drive, two_raylets: Any
) -> None:
    mine = drive()
    here = await process(mine)
    code, printed, _ = await asyncio.to_thread(another_driver, two_raylets.address)
    assert (code, printed) == (0, f"{here} 7.0")
    assert await process(mine) == here
    assert names() == [Name("team/a", "d1", "detector", 0)]


async def test_a_driver_with_other_weights_never_does(drive: Drive, two_raylets: Any) -> None:
    await process(drive())
    code, printed, complaint = await asyncio.to_thread(another_driver, two_raylets.address, "d2")
    assert (code, printed) == (1, "")
    assert "this driver cannot make one" in complaint


async def test_two_in_one_process_share_too_and_the_maker_may_leave_first(drive: Drive) -> None:
    maker, other = drive(), drive()
    assert await process(maker) == (first := await process(other))
    await maker.close()
    assert await process(other) != first  # one of its own by now
    assert names() == [Name("team/a", "d1", "detector", 0)]
    await other.close()
    assert names() == []


async def test_pools_of_one_profile_with_different_weights_are_two(drive: Drive) -> None:
    for digest in ("d2", "d1"):
        await process(drive(("team/a", digest), replicas=2))
    assert [(pool.digest, sum(pool.states.values())) for pool in standing()] == [
        ("d1", 2),
        ("d2", 2),
    ]


async def test_who_declares_more_adds_what_is_missing(drive: Drive) -> None:
    await process(drive())
    larger = drive(replicas=3)
    await process(larger)
    assert [name.index for name in names()] == [0, 1, 2]
    assert [one.mine for one in larger.pool("detector").router.replicas] == [False, True, True]
    smaller = drive()
    assert len((await asyncio.to_thread(smaller.pool, "detector")).router.replicas) == 3


def fleet(crew: Crew, *wanted: str, **options: object) -> list[Actors]:
    return fleet_of(wanted, crew, {name: Pool.model_validate(options) for name in wanted}, SHARED)


async def test_raised_pools_outlive_their_drivers_until_they_are_taken_down(
    drive: Drive, stand_ins: Crew, two_raylets: Any
) -> None:
    told: list[str] = []
    up = partial(raise_pools, fleet(stand_ins, "detector", "encoder", replicas=2), told.append)
    assert await asyncio.to_thread(up)
    assert sorted(line.split(" (")[0] for line in told) == [
        "detector: 1 of 2 ready", "detector: 2 of 2 ready",
        "encoder: 1 of 2 ready", "encoder: 2 of 2 ready",
    ]  # fmt: skip
    driver = drive()
    await process(driver)
    await driver.close()
    assert await asyncio.to_thread(up)  # again: nothing is missing
    detectors, encoders = standing()
    assert (detectors.specialist, encoders.specialist) == ("detector", "encoder")
    assert (detectors.states, detectors.detached, detectors.restarts) == ({"ALIVE": 2}, True, 0)
    assert (detectors.stats.answered, encoders.stats.answered) == (1, 0)
    assert take_down("somebody else's") == []
    assert len(take_down("team/a")) == 4
    while names():
        await asyncio.sleep(0.05)
    assert standing() == []


async def test_a_restart_is_counted(drive: Drive, stand_ins: Crew) -> None:
    import ray

    await asyncio.to_thread(raise_pools, fleet(stand_ins, "detector"), print)
    [replica] = (await asyncio.to_thread(drive().pool, "detector")).router.replicas
    ray.kill(replica.actor, no_restart=False)
    while standing()[0].restarts < 1:
        await asyncio.sleep(0.1)
    assert sum(standing()[0].states.values()) == 1


async def test_what_was_raised_is_taken_back_when_something_cannot_be(
    drive: Drive, stand_ins: Crew
) -> None:
    both = fleet(stand_ins, "detector", "reader")
    with pytest.raises(SetupError, match="reader cannot be loaded"):
        await asyncio.to_thread(raise_pools, both, print)
    while names():
        await asyncio.sleep(0.05)


async def test_one_that_leaves_while_it_is_loaded_is_for_the_user(drive: Drive) -> None:
    crew: Any = {"detector": partial(sys.exit, 3)}
    with pytest.raises(SetupError, match=r"detector failed: SystemExit: 3; see Ray's logs"):
        await asyncio.to_thread(raise_pools, fleet(crew, "detector"), print)


async def test_replicas_without_room_are_named_and_not_waited_for(
    drive: Drive, stand_ins: Crew
) -> None:
    told: list[str] = []
    large = fleet(stand_ins, "detector", num_cpus=2, replicas=3)
    assert await asyncio.to_thread(raise_pools, large, told.append)
    [waits] = [line for line in told if "waits" in line]
    assert waits.startswith("detector: 2 waits for room: it needs CPU 2, free is 2 nodes: ")
    states = standing()[0].states
    assert states == {"ALIVE": 2, "PENDING_CREATION": 1}


async def test_other_settings_than_those_that_run_are_pointed_out(
    drive: Drive, stand_ins: Crew
) -> None:
    told: list[str] = []
    await asyncio.to_thread(raise_pools, fleet(stand_ins, "detector"), told.append)
    await asyncio.to_thread(raise_pools, fleet(stand_ins, "detector", max_batch=3), told.append)
    assert "detector is up with other settings, which stay until `agent pool down`" in told


def test_a_fleet_has_what_the_profile_has(stand_ins: Crew) -> None:
    with pytest.raises(SetupError, match="the profile has no depth; it has: detector, encoder"):
        fleet(stand_ins, "depth")
