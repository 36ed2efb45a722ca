"""The store: by content, within its budget, safe across threads."""

import threading

import numpy as np
import pytest

from foveal.tools.store import ImageStore, content_hash


def picture(level: int, size: int = 10) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((size, size, 3), level, np.uint8)


def test_the_same_pixels_are_kept_once() -> None:
    store = ImageStore()
    assert store.put(picture(1)) == store.put(picture(1)) == content_hash(picture(1))
    assert len(store) == 1
    assert store.nbytes == 300


def test_shape_and_type_are_content() -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    hashes = {
        content_hash(flat),
        content_hash(flat.reshape(6, 2, 3)),
        content_hash(flat.view(bool)),
    }
    assert len(hashes) == 3


def test_what_comes_out_cannot_be_changed() -> None:
    store = ImageStore()
    mine = picture(1)
    key = store.put(mine)
    mine[:] = 9
    assert (store.pixels(key) == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        store.pixels(key)[:] = 0


def test_arrays_come_back_exactly() -> None:
    store = ImageStore()
    for array in (
        np.eye(3, dtype=bool),
        np.random.default_rng(0).normal(size=(5, 7)),
        np.zeros((0, 4)),
    ):
        back = store.array(store.put_array(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_the_least_recently_used_goes_first_and_pinned_ones_stay() -> None:
    store = ImageStore(budget=900)
    root = store.put(picture(0), pin=True)
    one, two = store.put(picture(1)), store.put(picture(2))
    store.pixels(one)
    store.put(picture(3))
    assert root in store
    assert one in store
    assert two not in store
    with pytest.raises(KeyError, match="not in the store; its budget is 900 bytes"):
        store.pixels(two)


def test_a_pin_is_counted() -> None:
    store = ImageStore(budget=300)
    root = store.put(picture(0), pin=True)
    store.put(picture(0), pin=True)
    store.unpin(root)
    store.put(picture(1))
    assert root in store
    store.unpin(root)
    assert root not in store


def test_what_is_there_can_be_pinned_later() -> None:
    store = ImageStore(budget=300)
    root = store.put(picture(0))
    store.pin(root)
    store.put(picture(1))
    assert root in store
    store.unpin(root)
    assert root not in store
    with pytest.raises(KeyError, match="not in the store"):
        store.pin(root)


def test_the_newest_stays_even_when_too_large() -> None:
    store = ImageStore(budget=10)
    assert store.put(picture(1)) in store


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3))]
)
def test_only_rgb_pixels_are_images(bad: object) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        ImageStore().put(bad)  # type: ignore[arg-type]


def test_threads_may_share_it() -> None:
    store = ImageStore(budget=3000)

    def work(seed: int) -> None:
        for level in np.random.default_rng(seed).integers(0, 30, 200):
            store.put(picture(int(level)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 10
    assert store.nbytes == 3000
