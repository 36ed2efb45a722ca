"""What one conversation has computed: keys and values of every layer, in buffers that only ever grow."""

from typing import Any

FIRST = 512
"""Tokens that a buffer holds at first; it doubles when it is full, so appending a token copies nothing."""


class KeyValues:
    """The attention cache of one conversation."""

    def __init__(self, layers: int) -> None:
        self._buffers: list[Any] = [None] * layers
        self.length = 0
        """Tokens that every layer holds."""

    def append(self, layer: int, keys: Any, values: Any) -> tuple[Any, Any]:
        """Write (heads, new, width) behind what the layer holds; returns all of it, as views.

        `length` stays until the whole pass is done (`grow`), so a pass that failed half-way leaves nothing.
        """
        end = self.length + keys.shape[1]
        buffer = self._roomy(layer, end, keys)
        buffer[0, :, self.length : end] = keys
        buffer[1, :, self.length : end] = values
        return buffer[0, :, :end], buffer[1, :, :end]

    def grow(self, count: int) -> None:
        """All layers hold `count` tokens more."""
        self.length += count

    @property
    def nbytes(self) -> int:
        """Bytes reserved."""
        return sum(b.numel() * b.element_size() for b in self._buffers if b is not None)

    def _roomy(self, layer: int, end: int, like: Any) -> Any:
        """The layer's buffer (2, heads, capacity, width) with room for `end` tokens."""
        buffer = self._buffers[layer]
        if buffer is None or buffer.shape[2] < end:
            capacity = max(FIRST, 1 << (end - 1).bit_length())
            heads, _, width = like.shape
            larger = like.new_empty((2, heads, capacity, width))
            if buffer is not None:
                larger[:, :, : self.length] = buffer[:, :, : self.length]
            self._buffers[layer] = buffer = larger
        return buffer
