"""Where pixels, masks and features live: under the hash of their content, within a byte budget."""

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUDGET = 2**30
"""Bytes kept by default."""


def content_hash(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values, in hexadecimal."""
    header = f"{array.dtype.str}{array.shape}".encode("ascii")
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class ImageStore:
    """A thread-safe store of arrays by content; also what a model session sees through (`agent.model.Sight`).

    The least recently used entries go first when the budget is exceeded; pinned ones never do.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        """Bytes; pinned entries count, but stay even when they alone exceed it."""
        self._arrays: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._bytes = 0
        self._lock = threading.Lock()
        self.released: list[Callable[[str], None]] = []
        """Called with a key when its last pin is gone: whoever keeps a copy elsewhere may drop it."""

    def put(self, pixels: NDArray[np.uint8], *, pin: bool = False) -> str:
        """Keep an image of shape (height, width, 3) and return its content hash."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"expected uint8 (height, width, 3), got {pixels.dtype} {pixels.shape}"
            )
        return self._keep(pixels, pin)

    def put_array(self, array: NDArray[Any], *, pin: bool = False) -> str:
        """Keep any array, such as a mask or features, and return its key."""
        return self._keep(array, pin)

    def pixels(self, image: str) -> NDArray[np.uint8]:
        """The image with this content hash: (height, width, 3), RGB, read-only."""
        return self.array(image)

    def array(self, key: str) -> NDArray[Any]:
        """The array under this key, read-only. Raises KeyError when it is unknown or was evicted."""
        with self._lock:
            if key not in self._arrays:
                raise KeyError(f"{key} is not in the store; its budget is {self.budget} bytes")
            self._arrays.move_to_end(key)
            return self._arrays[key]

    def pin(self, key: str) -> None:
        """Keep an entry until it is unpinned. Raises KeyError when it is not there."""
        with self._lock:
            if key not in self._arrays:
                raise KeyError(f"{key} is not in the store; its budget is {self.budget} bytes")
            self._pins[key] += 1

    def unpin(self, key: str) -> None:
        """Take back one pin; without any left the entry may be evicted."""
        with self._lock:
            self._pins[key] -= 1
            last = self._pins[key] <= 0
            if last:
                del self._pins[key]
            self._evict()
        for tell in tuple(self.released) if last else ():
            tell(key)

    def __contains__(self, key: object) -> bool:
        return key in self._arrays

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def _keep(self, array: NDArray[Any], pin: bool) -> str:
        key = content_hash(array)
        with self._lock:
            if pin:
                self._pins[key] += 1
            if key not in self._arrays:
                self._arrays[key] = _frozen(array)
                self._bytes += array.nbytes
            self._arrays.move_to_end(key)
            self._evict(keep=key)
        return key

    def _evict(self, keep: str = "") -> None:
        if self._bytes <= self.budget:
            return
        for key in [key for key in self._arrays if key != keep and key not in self._pins]:
            if self._bytes <= self.budget:
                return
            self._bytes -= self._arrays.pop(key).nbytes


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself when nobody can write to it, else a copy."""
    kept = array.copy() if array.flags.writeable else array
    kept.setflags(write=False)
    return kept
