"""Pay once, ask often: what a specialist computed for an image, kept within a byte budget."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteLRU(Generic[Value]):
    """A map that forgets the least recently used values; not thread-safe, each specialist has its own thread."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        """Bytes; the newest value stays even when it alone exceeds them."""
        self.hits = self.misses = 0
        """Values found, and values that had to be made."""
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Value | None:
        """The value, now the most recently used, or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        self.hits += 1
        return self._kept[key][0]

    def put(self, key: Hashable, value: Value, nbytes: int) -> None:
        """Keep a value of this many bytes, which somebody had to make."""
        self.misses += 1
        self._bytes += nbytes - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = (value, nbytes)
        while self._bytes > self.budget and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][1]

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes
