"""What a visual token can say, and the directions in the language model's embedding space that stand for it.

A token that shows a red cube is close to the words "red" and "cube" and to the grid tokens of its place, all on
top of each other. So the tower and the language model can be taught apart: the one to say what a picture
shows, the other to understand what is said, of pictures that nobody has to draw.
"""

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from foveal.agent.grammar import X_TOKENS, Y_TOKENS
from foveal.evals.palette import COLOURS
from foveal.evals.vocabulary import HOURS, MATERIALS, SHAPES, SYMBOLS, TEXTURES

FROM_AFAR: Mapping[str, Sequence[str]] = {"colour": COLOURS, "shape": SHAPES}
"""What is said of every cell that something fills."""
CLOSE_UP: Mapping[str, Sequence[str]] = {
    "material": MATERIALS,
    "texture": TEXTURES,
    "symbol": SYMBOLS,
    "hour": tuple(str(hour) for hour in HOURS),
}
"""What is said of things that are seen large enough."""
ATTRIBUTES = {**FROM_AFAR, **CLOSE_UP}
DETAIL = 56
"""Pixels of the encoded picture that the shorter side of a thing must have: two cells."""
PLACE = 0.45
"""How loudly a token says where it is, beside what it shows."""
REACH = 0.5
"""Cosine with a measure's direction at its ends."""


class Dictionary:
    """The directions, as unit vectors, and the length of a visual token."""

    def __init__(self, table: Tensor, tokenizer: Tokenizer) -> None:
        """`table` is the language model's embedding matrix (vocabulary, hidden)."""
        self.attributes = {
            name: _directions(table, tokenizer, words)
            for name, words in ATTRIBUTES.items()
            if name != "hour"
        }
        # "12" is spelled "1" and "2": hours have no word of one token, so theirs are drawn by lot.
        lot = torch.randn(len(HOURS), table.shape[1], generator=torch.Generator().manual_seed(12))
        self.attributes["hour"] = functional.normalize(lot, dim=1)
        self.columns = _directions(table, tokenizer, X_TOKENS)
        self.rows = _directions(table, tokenizer, Y_TOKENS)
        ends = {"near": ("near", "far"), "larger": ("larger", "smaller")}
        self.scales = {name: _directions(table, tokenizer, pair)[0] for name, pair in ends.items()}
        """From one word to its opposite, for what is said by degrees."""
        self.scale = float(table.norm(dim=1).mean()) * 2
        """Length a visual token should have: that of a few words on top of each other."""

    def to(self, device: str) -> "Dictionary":
        """The same elsewhere; where directions are made of noise, they were drawn on the processor."""
        moved = copy(self)
        moved.attributes = {name: table.to(device) for name, table in self.attributes.items()}
        moved.scales = {name: one.to(device) for name, one in self.scales.items()}
        moved.columns, moved.rows = self.columns.to(device), self.rows.to(device)
        return moved

    def respelled(
        self, directions: Mapping[str, Tensor], length: float, scales: Mapping[str, Tensor]
    ) -> "Dictionary":
        """The same words in other directions (words, hidden), those of `attributes`, "columns" and "rows".

        `length` is that of a visual token, `scales` has the directions (hidden,) of measures that differ.
        """
        made = copy(self)
        made.attributes = {name: directions[name] for name in self.attributes}
        made.columns, made.rows = directions["columns"], directions["rows"]
        made.scale, made.scales = length, {**self.scales, **scales}
        return made

    def ideal(self, said: Mapping[str, NDArray[np.int64]], grid: tuple[int, int]) -> Tensor:
        """(cells, hidden) what a tower without fault would make of a view: `said` counts words from 1 per cell."""
        columns, rows = places(grid)
        out = PLACE * (self.columns[columns] + self.rows[rows])
        for name, words in said.items():
            filled = torch.from_numpy(words > 0)
            out[filled] += self.attributes[name][torch.from_numpy(words)[filled] - 1]
        return functional.normalize(out, dim=1) * self.scale

    def measuring(self, tokens: Tensor, scale: str, levels: NDArray[np.float32]) -> Tensor:
        """Ideal tokens that also tell a measure: `levels` (tokens,) from 0 to 1, or nan for nothing."""
        told = ~np.isnan(levels)
        cosines = torch.from_numpy(np.where(told, REACH * (2 * levels - 1), 0))[:, None].float()
        way = self.scales[scale]
        across = tokens - (tokens @ way)[:, None] * way
        turned = functional.normalize(across, dim=1) * (1 - cosines**2).sqrt() + cosines * way
        return torch.where(torch.from_numpy(told)[:, None], turned * self.scale, tokens)


def places(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Column and row, 0 to 7, of every cell of a grid of rows and columns, as the region tokens count them."""
    rows, columns = grid
    place = torch.arange(rows * columns)
    return place % columns * 8 // columns, place // columns * 8 // rows


def _directions(table: Tensor, tokenizer: Tokenizer, words: Sequence[str]) -> Tensor:
    """Mean embedding of each word's tokens, less the mean of all words."""
    ids = [tokenizer.encode(word, add_special_tokens=False).ids for word in words]
    means = torch.stack([table[i].mean(0) for i in ids])
    return functional.normalize(means - means.mean(0), dim=1)
