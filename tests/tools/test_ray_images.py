"""What lies in Ray's object store on our behalf, and when it goes."""

import asyncio
import gc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Reencode
from foveal.agent.observations import Detected, Observation, Reencoded
from foveal.tools.base import Features, Picture, Reply, Request
from foveal.tools.catalogue import Crew
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_images import INLINE, Borrowed, RayImages, StoreUse, Usage
from foveal.tools.store import ImageStore

Array = NDArray[np.uint8]
SIDE = 256
BYTES = SIDE * SIDE * 3


def picture(level: int) -> Array:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


@pytest.fixture
def wide() -> Array:
    """Its features are as large as it is."""
    values: Array = np.random.default_rng(3).integers(0, 256, (4, 40_000, 3), np.uint8)
    return values


def key_of(seen: Observation) -> str:
    assert isinstance(seen, Reencoded)
    assert seen.views[0].tokens is not None
    return seen.views[0].tokens.key


def request(level: int) -> Request:
    return Request(Detect(phrase="x"), f"image {level}", picture(level))


@pytest.fixture
def dispatcher(local_ray: object, stand_ins: Crew, store: ImageStore) -> Iterator[RayDispatcher]:
    one = RayDispatcher(store, stand_ins)
    yield one
    asyncio.run(one.close())


@pytest.mark.ray
async def test_an_image_is_put_once(dispatcher: RayDispatcher, store: ImageStore) -> None:
    image = store.put(picture(7), pin=True)
    asked = (dispatcher.dispatch(Detect(phrase=str(n)), image) for n in range(5))
    found = await asyncio.gather(*asked)
    assert [one.objects[0].score for one in found if isinstance(one, Detected)] == [7.0] * 5
    assert dispatcher.usage == Usage(images=BYTES, borrowed=0, peak=BYTES, puts=1)


@pytest.mark.ray
async def test_it_is_freed_when_the_last_run_with_it_ends(
    dispatcher: RayDispatcher, store: ImageStore
) -> None:
    image = store.put(picture(7), pin=True)
    assert store.put(picture(7), pin=True) == image
    await dispatcher.dispatch(Detect(phrase="x"), image)
    store.unpin(image)
    assert dispatcher.usage.images == BYTES
    store.unpin(image)
    assert dispatcher.usage == Usage(images=0, borrowed=0, peak=BYTES, puts=1)
    await dispatcher.close()
    assert store.released == []


@pytest.mark.ray
async def test_features_come_back_without_a_copy_while_there_is_room(
    dispatcher: RayDispatcher, wide: Array
) -> None:
    store = dispatcher._store
    seen = await dispatcher.dispatch(Reencode(encoder="clip"), store.put(wide))
    features = store.array(key_of(seen))
    assert np.array_equal(features, wide.reshape(4, -1))
    assert not features.flags.owndata
    assert dispatcher.usage.borrowed == features.nbytes
    store.budget = 0  # what the store forgets is given back
    store.put(picture(1))
    del features
    gc.collect()
    assert dispatcher.usage.borrowed == 0


@pytest.mark.ray
async def test_features_beyond_the_budget_are_copied_out(
    dispatcher: RayDispatcher, store: ImageStore, wide: Array
) -> None:
    await asyncio.to_thread(dispatcher.pool, "encoder")
    dispatcher._borrowed.budget = 1000
    seen = await dispatcher.dispatch(Reencode(encoder="clip"), store.put(wide))
    assert store.array(key_of(seen)).flags.owndata
    assert dispatcher.usage.borrowed == 0


@pytest.mark.ray
def test_the_least_recently_used_image_is_freed_first(local_ray: object) -> None:
    use = StoreUse()
    images = RayImages(use, budget=2 * BYTES)
    for level in (1, 2):
        images.reference(request(level))
    assert images.known("image 1") is not None
    images.reference(request(3))
    assert [images.known(f"image {level}") is None for level in (1, 2, 3)] == [False, True, False]
    assert (use.images, use.peak, images.puts) == (2 * BYTES, 3 * BYTES, 3)
    images.clear()
    assert use.images == 0


@pytest.mark.ray
def test_one_that_was_released_is_put_again(local_ray: object) -> None:
    import ray

    images = RayImages(StoreUse())
    for _ in range(2):
        assert np.array_equal(ray.get(images.reference(request(5))), picture(5))
        images.release("image 5")
        images.release("image 5")
    assert images.puts == 2


def lent(level: int) -> Array:
    """Large and owned by somebody else, as what Ray hands out."""
    whole = np.full((2, SIDE, SIDE), level, np.uint8)
    whole.setflags(write=False)
    half: Array = whole[0]
    return half


def reply(level: int) -> Reply:
    source = Detected(phrase="x")
    features = Features(lent(level), (1, 2, 2))
    whole = {"role": "whole", "pixels": lent(level), "source": None}
    return Reply(source, lent(level) > 0, (Picture(**whole),), (features,))  # type: ignore[arg-type]


def arrays(one: Reply) -> list[NDArray[np.generic]]:
    assert one.mask is not None
    return [one.mask, one.pictures[0].pixels, one.features[0].values]


def test_results_are_borrowed_within_the_budget_and_copied_beyond() -> None:
    use = StoreUse()
    borrowed, size = Borrowed(use, budget=3 * SIDE * SIDE), 3 * SIDE * SIDE
    first = borrowed.taken(one := reply(1))
    assert first is one
    assert use.borrowed == size
    second = borrowed.taken(two := reply(2))
    assert use.borrowed == size
    assert all(array.flags.owndata for array in arrays(second))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(second), arrays(two), strict=True))
    kept = first.features[0].values
    del first, one
    gc.collect()
    assert use.borrowed == size  # one array holds the memory of all
    del kept
    gc.collect()
    assert (use.borrowed, use.peak) == (0, size)
    third = reply(3)
    assert borrowed.taken(third) is third


def test_small_results_and_own_ones_are_nobodys_debt() -> None:
    use = StoreUse()
    small, own = Features(lent(1)[:8], (1, 1, 1)), Features(np.zeros(INLINE, np.uint8), (1, 1, 1))
    for features in (small, own):
        one = Reply(Detected(phrase="x"), features=(features,))
        assert Borrowed(use).taken(one) is one
    assert (use.borrowed, use.peak) == (0, 0)
