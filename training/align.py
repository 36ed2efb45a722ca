"""Stage two of the language model: visual tokens that already speak its language.

Every merged token is trained to point at the embeddings of the words for what its cell shows (colour, shape)
and of the grid tokens for where it is, through the language model's own frozen embedding table. Tokens at
another scale and in another basis were not learnt to be read in hours; these are close to words from the start.
"""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from foveal.agent.grammar import X_TOKENS, Y_TOKENS
from foveal.evals.tabletop import COLOURS, SHAPES
from foveal.training.glimpses import Glimpses
from foveal.training.tower import tokens

SHARPNESS = 12.0
"""Scale of the cosine between a visual token and a word."""


class Dictionary:
    """The directions in embedding space that visual tokens are to point to."""

    def __init__(self, table: torch.Tensor, tokenizer: Tokenizer) -> None:
        """`table` is the language model's embedding matrix (vocabulary, hidden)."""
        self.colours = self._rows(table, tokenizer, COLOURS)
        self.shapes = self._rows(table, tokenizer, SHAPES)
        self.columns = self._rows(table, tokenizer, X_TOKENS)
        self.rows = self._rows(table, tokenizer, Y_TOKENS)
        self.scale = float(table.norm(dim=1).mean()) * 2
        """Length a visual token should have: that of a few words on top of each other."""

    @staticmethod
    def _rows(table: torch.Tensor, tokenizer: Tokenizer, words: Sequence[str]) -> torch.Tensor:
        """Mean embedding of each word's tokens, less the mean of all words, as unit vectors."""
        ids = [tokenizer.encode(word, add_special_tokens=False).ids for word in words]
        means = torch.stack([table[i].mean(0) for i in ids])
        return functional.normalize(means - means.mean(0), dim=1)


def alignment_loss(
    tower: Any, words: Dictionary, glimpses: Glimpses
) -> tuple[torch.Tensor, dict[str, float]]:
    """How far the tokens of a batch are from saying what their cells show; and the shares said right."""
    seen = tokens(tower, glimpses.images)
    length = seen.norm(dim=-1, keepdim=True)
    unit = seen / length * SHARPNESS
    rows, columns = glimpses.grid
    place = torch.arange(rows * columns)
    count = len(glimpses.images)
    wanted = {
        "columns": ((place % columns) * 8 // columns).expand(count, -1),
        "rows": (place // columns * 8 // rows).expand(count, -1),
    }
    colours, shapes = torch.from_numpy(glimpses.colours), torch.from_numpy(glimpses.shapes)
    nothing = torch.zeros(*unit.shape[:2], 1)
    parts = {
        "colour": _cross(torch.cat([nothing, unit @ words.colours.T], -1), colours),
        "shape": _cross(torch.cat([nothing, unit @ words.shapes.T], -1), shapes),
        "columns": _cross(unit @ words.columns.T, wanted["columns"]) * 0.2,
        "rows": _cross(unit @ words.rows.T, wanted["rows"]) * 0.2,
        "length": 0.1 * (length / words.scale - 1).pow(2).mean(),
    }
    return torch.stack(list(parts.values())).sum(), _shares(unit.detach(), words, colours, shapes)


def _cross(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(scores.flatten(0, 1), wanted.flatten())


def _shares(
    unit: torch.Tensor, words: Dictionary, colours: torch.Tensor, shapes: torch.Tensor
) -> dict[str, float]:
    """Share of cells with something in them whose colour and shape come first."""
    filled = colours > 0
    found = {"colour": (words.colours, colours), "shape": (words.shapes, shapes)}
    return {
        name: float(((unit @ rows.T).argmax(-1) + 1 == wanted)[filled].float().mean())
        for name, (rows, wanted) in found.items()
    }
