"""What only Ray can do to a dispatcher: actors that die, are slow, or share an image."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Detected
from foveal.agent.pools import Pool
from foveal.tools.breaker import Breaker
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_home import RayHome
from foveal.tools.ray_pool import RayPool
from foveal.tools.ray_route import Replica
from foveal.tools.store import ImageStore

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Open = Callable[..., RayDispatcher]
Pixels = NDArray[np.uint8]


@pytest.fixture
def open_ray(stand_ins: Crew, store: ImageStore) -> Iterator[Open]:
    opened: list[RayDispatcher] = []

    def open_(**options: object) -> RayDispatcher:
        """With a detector pool of these settings."""
        pools = {"detector": Pool.model_validate(options)}
        opened.append(RayDispatcher(store, stand_ins, pools=pools))
        return opened[-1]

    yield open_
    for dispatcher in opened:
        asyncio.run(dispatcher.close())


async def detect(dispatcher: RayDispatcher, image: str, phrase: str = "x") -> Detected:
    found = await dispatcher.dispatch(Detect(phrase=phrase), image)
    assert isinstance(found, Detected)
    return found


def process_of(found: Detected) -> int:
    return int(found.objects[0].label.rpartition(" ")[2])


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def open_pool(dispatcher: RayDispatcher) -> RayPool:
    """The detectors, once all are open."""
    pool = await asyncio.to_thread(dispatcher.pool, "detector")
    await until(lambda: all(one.state == "open" for one in pool.router.replicas))
    return pool


def busy(replicas: list[Replica]) -> int:
    return sum(replica.outstanding for replica in replicas)


async def test_the_work_is_done_elsewhere(open_ray: Open, store: ImageStore, photo: Pixels) -> None:
    found = await detect(open_ray(), store.put(photo))
    assert process_of(found) != os.getpid()


async def test_an_actor_that_dies_is_replaced_and_its_request_repeated(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image = open_ray(), store.put(photo)
    before = await detect(dispatcher, image)
    after = await detect(dispatcher, image, f"die once {tmp_path / 'mark'}")
    assert after.objects[0].score == before.objects[0].score
    assert process_of(after) != process_of(before)
    assert await asyncio.to_thread(dispatcher.pool("detector").restarts) == 1


async def test_a_dead_actor_is_not_idle(open_ray: Open, store: ImageStore, photo: Pixels) -> None:
    """It died while nobody asked; whoever asks next is answered all the same."""
    dispatcher, image = open_ray(), store.put(photo)
    dead = process_of(await detect(dispatcher, image))
    os.kill(dead, signal.SIGKILL)
    again = await asyncio.gather(*(detect(dispatcher, image, str(n)) for n in range(6)))
    assert [one.phrase for one in again] == [str(n) for n in range(6)]
    assert dead not in {process_of(one) for one in again}


async def test_a_request_that_always_kills_is_told_and_others_are_served(
    open_ray: Open, store: ImageStore, photo: Pixels
) -> None:
    dispatcher, image = open_ray(retries=1), store.put(photo)
    with pytest.raises(SpecialistError, match="detector failed: its process died"):
        await detect(dispatcher, image, "die")
    assert (await detect(dispatcher, image)).objects


async def test_a_request_that_kills_costs_its_neighbours_nothing(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    """They share its batch and its queue, and are alone when they are asked again."""
    dispatcher, image = open_ray(retries=1), store.put(photo)
    pool, gate = await open_pool(dispatcher), tmp_path / "gate"
    first = asyncio.create_task(detect(dispatcher, image, f"wait for {gate}"))
    await until(lambda: busy(pool.router.replicas) == 1)
    phrases = ["a", "b", "die", "c", "d"]
    asked = asyncio.gather(*(detect(dispatcher, image, p) for p in phrases), return_exceptions=True)
    await until(lambda: busy(pool.router.replicas) == 6)
    gate.touch()
    await first
    assert [isinstance(one, Detected) for one in await asked] == [True, True, False, True, True]


async def test_a_busy_actor_that_missed_a_deadline_gets_no_work_before_it_has_finished(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image, gate = open_ray(), store.put(photo), tmp_path / "gate"
    pool = await open_pool(dispatcher)
    [replica] = pool.router.replicas
    pool.deadline = 0.1
    with pytest.raises(SpecialistError, match=r"no answer within 0\.1 s"):
        await detect(dispatcher, image, f"wait for {gate}")
    assert (replica.state, replica.outstanding) == ("late", 1)
    with pytest.raises(SpecialistError, match=r"no replica was free within 0\.1 s"):
        await detect(dispatcher, image, f"touch {tmp_path / 'sent'}")
    pool.deadline = 120.0
    later = asyncio.create_task(detect(dispatcher, image))
    await asyncio.sleep(0.3)  # long enough for a probe, which it answers: it is well, but not idle
    assert (replica.state, replica.outstanding, later.done()) == ("late", 1, False)
    gate.touch()
    assert (await later).objects
    assert not (tmp_path / "sent").exists()


async def test_an_actor_that_is_stuck_is_restarted(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image = open_ray(patience=0.5), store.put(photo)
    pool, stuck = await open_pool(dispatcher), process_of(await detect(dispatcher, image))
    pool.deadline = 0.1
    with pytest.raises(SpecialistError, match=r"no answer within 0\.1 s"):
        await detect(dispatcher, image, f"wait for {tmp_path / 'nothing'}")
    pool.deadline = 120.0
    assert process_of(await detect(dispatcher, image)) != stuck


async def test_a_pool_of_which_nothing_is_left_is_told_at_once_and_tried_again_later(
    open_ray: Open, store: ImageStore, photo: Pixels
) -> None:
    dispatcher, image = open_ray(max_restarts=0), store.put(photo)
    pool = await open_pool(dispatcher)
    pool.breaker = Breaker("detector", failures=2, cooldown=1000)
    for _ in range(2):
        with pytest.raises(SpecialistError, match="detector failed: its process died"):
            await detect(dispatcher, image, "die")
    with pytest.raises(SpecialistError, match="its pool failed 2 times; it is tried again in"):
        await detect(dispatcher, image)
    pool.breaker = Breaker("detector", failures=1, cooldown=0)
    pool.breaker.failed()
    assert (await detect(dispatcher, image)).objects
    assert not pool.breaker.open


async def test_callers_wait_instead_of_filling_an_actors_queue(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image, gate = open_ray(max_queue=2), store.put(photo), tmp_path / "gate"
    pool = await open_pool(dispatcher)
    asked = [asyncio.create_task(detect(dispatcher, image, f"wait for {gate}")) for _ in range(9)]
    await until(lambda: len(pool.router._waiting) == 7)
    assert [replica.outstanding for replica in pool.router.replicas] == [2]
    gate.touch()
    assert all(one.objects for one in await asyncio.gather(*asked))
    assert [replica.outstanding for replica in pool.router.replicas] == [0]


async def test_a_question_that_is_cancelled_takes_back_what_waits(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image, gate = open_ray(), store.put(photo), tmp_path / "gate"
    pool, replicas = await open_pool(dispatcher), dispatcher.pool("detector").router.replicas
    running = asyncio.create_task(detect(dispatcher, image, f"wait for {gate}"))
    await until(lambda: busy(replicas) == 1)
    waiting = asyncio.create_task(detect(dispatcher, image, f"touch {tmp_path / 'cancelled'}"))
    other = asyncio.create_task(detect(dispatcher, image, f"touch {tmp_path / 'other'}"))
    await until(lambda: busy(replicas) == 3)
    waiting.cancel()
    await until(lambda: busy(replicas) == 2)  # the actor has let go of it
    running.cancel()
    await asyncio.wait([running, waiting])
    assert (busy(replicas), [one.state for one in replicas]) == (2, ["open"])  # truly still at work
    gate.touch()
    await other
    await until(lambda: busy(replicas) == 0)
    assert (tmp_path / "other").exists()
    assert not (tmp_path / "cancelled").exists()
    assert not pool.breaker.open


async def test_replicas_share_the_work(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher = open_ray(replicas=2, max_batch=1)
    image, gate = store.put(photo), tmp_path / "gate"
    replicas = (await open_pool(dispatcher)).router.replicas
    held = [asyncio.create_task(detect(dispatcher, image, f"wait for {gate}")) for _ in range(2)]
    await until(lambda: busy(replicas) == 2)
    other = await detect(dispatcher, image)  # the image's favourite is clearly busier
    gate.touch()
    assert process_of(other) not in {process_of(one) for one in await asyncio.gather(*held)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_gpus": 1}, r"the detector, which needs CPU 0\.25, GPU 1; the cluster has CPU \d+;"),
        ({"num_cpus": 4096}, r"the detector, which needs CPU 4096; the cluster has CPU \d+;"),
        ({"accelerator_type": "H100"}, r"accelerator_type:H100 0\.001; the cluster has CPU \d+;"),
    ],
)
async def test_what_the_cluster_can_never_hold_is_said_at_once(
    open_ray: Open, store: ImageStore, photo: Pixels, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SetupError, match=words):
        await detect(open_ray(**options), store.put(photo))


async def test_replicas_without_room_keep_nobody_waiting(
    open_ray: Open, store: ImageStore, photo: Pixels
) -> None:
    import ray

    processors = int(ray.cluster_resources()["CPU"])
    dispatcher = open_ray(num_cpus=processors - 1 or 0.5, replicas=3)
    assert (await detect(dispatcher, store.put(photo))).objects
    states = [replica.state for replica in dispatcher.pool("detector").router.replicas]
    assert sorted(states) == ["joining", "joining", "open"]


async def test_an_actor_that_cannot_be_made_is_for_the_user(
    store: ImageStore, photo: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class lies in a module that only this process has."""
    (tmp_path / "nowhere_else.py").write_text("class Dog: pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import nowhere_else  # type: ignore[import-not-found]

    dispatcher = RayDispatcher(store, {"detector": nowhere_else.Dog})
    with pytest.raises(SetupError, match=r"No module named 'nowhere_else'.*on every node"):
        await detect(dispatcher, store.put(photo))
    await dispatcher.close()


async def test_who_closes_while_others_wait_lets_them_go(
    open_ray: Open, store: ImageStore, photo: Pixels, tmp_path: Path
) -> None:
    dispatcher, image = open_ray(max_queue=1), store.put(photo)
    pool = await open_pool(dispatcher)
    phrase = f"wait for {tmp_path / 'nothing'}"
    asked = [asyncio.create_task(detect(dispatcher, image, phrase)) for _ in range(3)]
    await until(lambda: len(pool.router._waiting) == 2)
    await dispatcher.close()
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [SpecialistError] * 3


async def test_it_leaves_what_others_started(
    open_ray: Open, store: ImageStore, photo: Pixels
) -> None:
    import ray

    dispatcher = open_ray()
    await detect(dispatcher, store.put(photo))
    await dispatcher.close()
    assert ray.is_initialized()
    assert (await detect(dispatcher, store.put(photo))).objects  # and may be used again


async def test_a_closed_loop_is_not_remembered(stand_ins: Crew, store: ImageStore) -> None:
    image = store.put(np.zeros((4, 4, 3), np.uint8))
    dispatcher = RayDispatcher(store, stand_ins)

    def in_a_loop_of_its_own() -> Detected:
        return asyncio.run(detect(dispatcher, image))

    for _ in range(2):
        assert (await asyncio.to_thread(in_a_loop_of_its_own)).objects
    await dispatcher.close()


def test_nobody_listens_at_the_address() -> None:
    with pytest.raises(OSError, match="refused"):
        RayHome("127.0.0.1:9").enter()


def test_a_cluster_that_was_killed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves its address behind, for `auto` to find."""
    from ray._private import services

    monkeypatch.setattr(services, "canonicalize_bootstrap_address_or_die", lambda _: "127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        RayHome("auto").enter()


async def test_a_cluster_that_is_not_there_is_for_the_user(
    stand_ins: Crew, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    dispatcher = RayDispatcher(store, stand_ins, "ray://127.0.0.1:9")
    with pytest.raises(
        SetupError, match=r"no Ray cluster at 'ray://127\.0\.0\.1:9'.*without --ray"
    ):
        await detect(dispatcher, store.put(np.zeros((4, 4, 3), np.uint8)))
    await dispatcher.close()
