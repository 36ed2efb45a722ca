"""Arrays in Ray's object store: each image once, what came back without a copy, and never more than a budget.

An array that Ray hands out points into the object store and keeps its memory there taken for as long as anybody
holds the array. So only so many bytes of results are borrowed; beyond that they are copied out.
"""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.tools.base import Reply, Request

IMAGES = 512 * 2**20
"""Bytes of images kept in the object store, at most; half of a smaller store."""
BORROWED = 256 * 2**20
"""Bytes of results kept in it, at most; a quarter of a smaller store."""
INLINE = 100 * 1024
"""Ray sends smaller results in the message itself."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Usage:
    """Object-store bytes that one driver is answerable for."""

    images: int
    borrowed: int
    peak: int
    """The most that both were together."""
    puts: int
    """Images that were copied into the store."""


class StoreUse:
    """Counts bytes in use, and the most there ever were. Thread-safe."""

    def __init__(self) -> None:
        self.images = self.borrowed = self.peak = 0
        self._lock = threading.Lock()

    def add(self, images: int = 0, borrowed: int = 0) -> None:
        """So many bytes more, or fewer."""
        with self._lock:
            self.images += images
            self.borrowed += borrowed
            self.peak = max(self.peak, self.images + self.borrowed)

    def borrow(self, nbytes: int, budget: int) -> bool:
        """Take so many bytes more if the budget allows."""
        with self._lock:
            if self.borrowed + nbytes > budget:
                return False
            self.borrowed += nbytes
            self.peak = max(self.peak, self.images + self.borrowed)
            return True


class RayImages:
    """References to images by content hash; the least recently used are freed first."""

    def __init__(self, use: StoreUse, budget: int = IMAGES) -> None:
        self._use = use
        self.budget = budget
        """Bytes; the newest image stays even when it alone exceeds them."""
        self._kept: OrderedDict[str, tuple[Future[Any], int]] = OrderedDict()
        self._lock = threading.Lock()
        self.puts = 0
        """Images put so far."""

    def known(self, image: str) -> Any | None:
        """The image's reference, if it is in the store."""
        with self._lock:
            if image not in self._kept:
                return None
            self._kept.move_to_end(image)
            reference = self._kept[image][0]
        return reference.result() if reference.done() else None

    def reference(self, request: Request) -> Any:
        """The image's reference; blocks while it is copied into the store for the first time."""
        import ray

        with self._lock:
            first = request.image not in self._kept
            if first:
                self._kept[request.image] = (Future(), request.pixels.nbytes)
                self._use.add(images=request.pixels.nbytes)
                self.puts += 1
            self._kept.move_to_end(request.image)
            reference = self._kept[request.image][0]
            while self._use.images > self.budget and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))
        if first:
            self._fill(reference, lambda: ray.put(request.pixels), request.image)
        return reference.result()

    def _fill(self, reference: "Future[Any]", put: Callable[[], Any], image: str) -> None:
        """Outside the lock, so that images do not wait for each other."""
        try:
            reference.set_result(put())
        except BaseException as error:
            reference.set_exception(error)
            self.release(image)

    def release(self, image: str) -> None:
        """No run needs it now: Ray frees it once no actor reads it any more."""
        with self._lock:
            self._drop(image)

    def clear(self) -> None:
        """Release all."""
        with self._lock:
            for image in tuple(self._kept):
                self._drop(image)

    def _drop(self, image: str) -> None:
        if image in self._kept:
            self._use.add(images=-self._kept.pop(image)[1])


class Borrowed:
    """Lets results stay in the object store, within a budget."""

    def __init__(self, use: StoreUse, budget: int = BORROWED) -> None:
        self._use = use
        self.budget = budget
        """Bytes that results may keep taken."""

    def taken(self, reply: Reply) -> Reply:
        """The reply, its arrays where they are while there is room, else copied out."""
        arrays = _arrays(reply)
        nbytes = sum(array.nbytes for array in arrays)
        if nbytes < INLINE or all(array.flags.owndata for array in arrays):
            return reply
        if not self._use.borrow(nbytes, self.budget):
            return _copied(reply)
        left = [len(arrays)]
        for array in arrays:
            weakref.finalize(array, self._returned, left, nbytes)
        return reply

    def _returned(self, left: list[int], nbytes: int) -> None:
        """The memory is free once the last of a reply's arrays is."""
        left[0] -= 1
        if not left[0]:
            self._use.add(borrowed=-nbytes)


def _arrays(reply: Reply) -> list[Array]:
    measured = [array for array in (reply.mask, reply.map) if array is not None]
    pictures = [picture.pixels for picture in reply.pictures]
    return [*measured, *pictures, *(one.values for one in reply.features)]


def _copied(reply: Reply) -> Reply:
    return replace(
        reply,
        mask=None if reply.mask is None else np.array(reply.mask),
        map=None if reply.map is None else np.array(reply.map),
        pictures=tuple(replace(one, pixels=np.array(one.pixels)) for one in reply.pictures),
        features=tuple(replace(one, values=np.array(one.values)) for one in reply.features),
    )
