"""What only Ray can do to a dispatcher: actors that die, are slow, or share an image."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect
from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.agent.observations import Detected
from foveal.tools.base import Reply
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import Pool, RayDispatcher
from foveal.tools.ray_home import RayHome
from foveal.tools.store import ImageStore
from foveal.tools.worker import Worker

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Open = Callable[..., RayDispatcher]


@pytest.fixture
def open_ray(stand_ins: Crew, store: ImageStore) -> Iterator[Open]:
    opened: list[RayDispatcher] = []

    def open_(**options: object) -> RayDispatcher:
        opened.append(RayDispatcher(store, stand_ins, **options))  # type: ignore[arg-type]
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


def call_of(found: Detected) -> int:
    return int(found.objects[0].label.split()[1])


async def test_the_work_is_done_elsewhere(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8]
) -> None:
    found = await detect(open_ray(), store.put(photo))
    assert process_of(found) != os.getpid()


async def test_an_actor_that_dies_is_replaced_and_its_request_repeated(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    dispatcher, image = open_ray(), store.put(photo)
    before = await detect(dispatcher, image)
    after = await detect(dispatcher, image, f"die once {tmp_path / 'mark'}")
    assert after.objects[0].score == before.objects[0].score
    assert process_of(after) != process_of(before)


async def test_a_request_that_always_kills_is_told_and_others_are_served(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8]
) -> None:
    dispatcher, image = open_ray(), store.put(photo)
    with pytest.raises(SpecialistError, match="detector failed: its process died"):
        await detect(dispatcher, image, "die")
    assert (await detect(dispatcher, image)).objects


async def test_what_waits_becomes_one_batch(
    stand_ins: Crew, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    """The actor's own queue, without Ray's timing: eight requests arrive while the first is answered."""
    worker, gate = Worker("detector", stand_ins["detector"]), tmp_path / "gate"

    def ask(phrase: str) -> asyncio.Task[Reply | FovealError]:
        return asyncio.create_task(worker.run(Detect(phrase=phrase), "a", (), photo))

    first = ask(f"wait for {gate}")
    while not worker._running:
        await asyncio.sleep(0.01)
    rest = [ask("x") for _ in range(8)]
    await asyncio.sleep(0)
    gate.touch()
    await first
    replies = [one for one in await asyncio.gather(*rest) if isinstance(one, Reply)]
    found = [one.observation for one in replies if isinstance(one.observation, Detected)]
    assert [call_of(one) for one in found] == [2] * 8


async def test_a_late_answer_is_told_and_the_actor_still_counts_as_busy(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    dispatcher, image, gate = open_ray(), store.put(photo), tmp_path / "gate"
    await detect(dispatcher, image)
    dispatcher.pool("detector").deadline = 0.1
    with pytest.raises(SpecialistError, match=r"no answer within 0\.1 s"):
        await detect(dispatcher, image, f"wait for {gate}")
    [replica] = dispatcher.pool("detector").router.replicas
    assert replica.outstanding == 1
    gate.touch()
    while replica.outstanding:
        await asyncio.sleep(0.01)
    dispatcher.pool("detector").deadline = 60.0
    assert (await detect(dispatcher, image)).objects


async def test_an_image_is_put_once(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    put, shapes = ray.put, []

    def counted(value: NDArray[np.uint8]) -> object:
        shapes.append(value.shape)
        return put(value)

    monkeypatch.setattr(ray, "put", counted)
    dispatcher, image = open_ray(), store.put(photo)
    await asyncio.gather(*(detect(dispatcher, image, str(n)) for n in range(5)))
    assert shapes == [photo.shape]


async def test_replicas_share_the_work(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    dispatcher = open_ray(pools={"detector": Pool(replicas=2, max_batch=1)})
    image, gate = store.put(photo), tmp_path / "gate"
    replicas = (await asyncio.to_thread(dispatcher.pool, "detector")).router.replicas
    while any(replica.state != "open" for replica in replicas):
        await asyncio.sleep(0.01)
    held = [asyncio.create_task(detect(dispatcher, image, f"wait for {gate}")) for _ in range(2)]
    while sum(replica.outstanding for replica in replicas) < 2:
        await asyncio.sleep(0.01)
    other = await detect(dispatcher, image)  # the image's favourite is clearly busier
    gate.touch()
    assert process_of(other) not in {process_of(one) for one in await asyncio.gather(*held)}


async def test_it_leaves_what_others_started(
    open_ray: Open, store: ImageStore, photo: NDArray[np.uint8]
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
