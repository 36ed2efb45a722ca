"""Rows of fixed length that hold several dialogues, each blind to the others.

Fixed shapes because compiling a kernel for every new shape costs more here than the arithmetic. Dialogues
about one image may share it: they see its tokens and their own, exactly as if each were alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.training.encode import Sequence


@dataclass(frozen=True)
class Packed:
    """A batch of rows, all of one length."""

    ids: torch.Tensor
    """(rows, length) token ids."""
    positions: torch.Tensor
    """(3, rows, length) time, height and width."""
    bias: torch.Tensor
    """(rows, 1, length, length) added to attention scores: 0 where seen, very negative elsewhere."""
    emitted: torch.Tensor
    """(rows, length) supervised tokens."""
    visual: torch.Tensor
    """(rows, length) places of visual tokens, row by row in the order of `features`."""
    sources: tuple[NDArray[np.float32], ...] = ()
    """One (tokens, hidden) array for every run of visual tokens, in reading order."""


@dataclass
class Row:
    """One row being filled."""

    ids: list[int]
    positions: list[NDArray[np.int64]]
    segments: list[int]
    emitted: list[bool]
    start: int = 0
    """Position at which each dialogue of the row starts: after the shared image, if any."""
    count: int = 0
    """Dialogues in the row."""

    @classmethod
    def empty(cls) -> "Row":
        return cls([], [], [], [])

    def add(self, sequence: Sequence, positions: NDArray[np.int64], shared: bool = False) -> None:
        """Append a dialogue, or the image that the following ones share; positions are (3, length)."""
        self.count += not shared
        self.ids += sequence.ids.tolist()
        self.emitted += sequence.emitted.tolist()
        self.positions.append(positions + self.start)
        self.segments += [0 if shared else self.count] * len(sequence.ids)
        if shared:
            self.start += int(positions.max()) + 1


def plain_positions(length: int) -> NDArray[np.int64]:
    """(3, length) positions of text."""
    return np.broadcast_to(np.arange(length), (3, length)).astype(np.int64)


def stack(rows: Iterable[Row], length: int, pad: int, image: int) -> Packed:
    """Rows as tensors of the given length; `pad` fills up, `image` is the token of visual places."""
    rows = list(rows)
    ids = np.full((len(rows), length), pad)
    positions = np.zeros((3, len(rows), length), np.int64)
    segments = np.full((len(rows), length), -1)
    emitted = np.zeros((len(rows), length), bool)
    for n, row in enumerate(rows):
        used = len(row.ids)
        ids[n, :used], segments[n, :used], emitted[n, :used] = row.ids, row.segments, row.emitted
        positions[:, n, :used] = np.concatenate(row.positions, axis=1)
    seen = (segments[:, :, None] == segments[:, None, :]) | (segments[:, None, :] == 0)
    seen &= np.tri(length, dtype=bool)
    bias = np.where(seen, np.float32(0), np.float32(-1e9))[:, None]
    tensor = torch.from_numpy
    return Packed(tensor(ids), tensor(positions), tensor(bias), tensor(emitted), tensor(ids == image))


def fill(sequences: Iterable[Sequence], length: int, rows: int) -> list[Row]:
    """Up to `rows` rows, filled in order, each dialogue in the first row that has room."""
    made = [Row.empty() for _ in range(rows)]
    for sequence in sequences:
        room = next((r for r in made if len(r.ids) + len(sequence.ids) <= length), None)
        if room is not None:
            room.add(sequence, plain_positions(len(sequence.ids)))
    return made
