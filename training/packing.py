"""Rows of fixed length that hold several dialogues, each blind to the others.

Fixed shapes because compiling a kernel for every new shape costs more here than the arithmetic. Dialogues
about one image may share it: they see its tokens and their own, exactly as if each were alone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

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
    """(rows, length) places of visual tokens."""
    controls: torch.Tensor
    """(rows, length) tokens that stand for a control state: `<|X_action|>`."""

    def to(self, device: torch.device) -> "Packed":
        """The same elsewhere."""
        return Packed(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def of_rows(self, rows: torch.Tensor) -> "Packed":
        """Some of the rows: (rows,) whether each is kept."""
        kept = {name: tensor[rows] for name, tensor in vars(self).items() if name != "positions"}
        return Packed(**kept, positions=self.positions[:, rows])


@dataclass
class Row:
    """One row being filled."""

    ids: list[NDArray[np.int64]] = field(default_factory=list)
    positions: list[NDArray[np.int64]] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    emitted: list[NDArray[np.bool_]] = field(default_factory=list)
    dialogues: int = 0

    def __len__(self) -> int:
        return len(self.segments)

    def share(self, sequence: Sequence) -> None:
        """Start with the image that all dialogues of the row are about."""
        self._add(sequence, slice(0, sequence.shared), 0)

    def add(self, sequence: Sequence, start: int = 0) -> None:
        """Append a dialogue from token `start` on."""
        self.dialogues += 1
        self._add(sequence, slice(start, None), self.dialogues)

    def _add(self, sequence: Sequence, part: slice, segment: int) -> None:
        self.ids.append(sequence.ids[part])
        self.positions.append(sequence.positions[:, part])
        self.emitted.append(sequence.emitted[part])
        self.segments += [segment] * len(sequence.ids[part])


def stack(
    rows: Iterable[Row], length: int, pad: int, image: int, controls: Collection[int] = ()
) -> Packed:
    """Rows as tensors of the given length; `pad` fills up, `image` is the token of visual places.

    `controls` are the tokens that stand for a control state.
    """
    rows = list(rows)
    ids = np.full((len(rows), length), pad)
    positions = np.zeros((3, len(rows), length), np.int64)
    segments = np.full((len(rows), length), -1)
    emitted = np.zeros((len(rows), length), bool)
    for n, row in enumerate(rows):
        used = len(row)
        ids[n, :used], segments[n, :used] = np.concatenate(row.ids), row.segments
        emitted[n, :used] = np.concatenate(row.emitted)
        positions[:, n, :used] = np.concatenate(row.positions, axis=1)
    seen = (segments[:, :, None] == segments[:, None, :]) | (segments[:, None, :] == 0)
    seen &= np.tri(length, dtype=bool)
    bias = np.where(seen, np.float32(0), np.float32(-1e9))[:, None]
    held = np.isin(ids, [*controls])
    parts = (ids, positions, bias, emitted, ids == image, held)
    return Packed(*(torch.from_numpy(part) for part in parts))


def fill(sequences: Iterable[Sequence], length: int, rows: int) -> list[Row]:
    """Rows filled in order, each dialogue in the first one that has room; those that fit nowhere are left out."""
    made = [Row() for _ in range(rows)]
    for sequence in sequences:
        room = next((r for r in made if len(r) + len(sequence.ids) <= length), None)
        if room is not None:
            room.add(sequence)
    return [row for row in made if len(row)]
