"""Stage two of the language model: visual tokens that already speak its language.

Every merged token is trained to point at the embeddings of the words for what its cell shows and of the grid
tokens for where it is, through the language model's own frozen embedding table. Tokens at another scale and in
another basis were not learnt to be read in hours; these are close to words from the start.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foveal.training.glimpses import Glimpses
from foveal.training.meanings import FROM_AFAR, PLACE, Dictionary, places
from foveal.training.tower import tokens

SHARPNESS = 16.0
"""Scale of the cosine between a visual token and a word."""
UNSAID = -1
"""Marks cells of which an attribute is not to be said."""


def alignment_loss(
    tower: Any, words: Dictionary, glimpses: Glimpses
) -> tuple[Tensor, dict[str, float]]:
    """How far the tokens of a batch are from saying what their cells show; and the shares said right."""
    return said_loss(tokens(tower, glimpses.images), words, glimpses.said, glimpses.grid)


def said_loss(
    seen: Tensor, words: Dictionary, said: Mapping[str, NDArray[np.int64]], grid: tuple[int, int]
) -> tuple[Tensor, dict[str, float]]:
    """The same of any tokens (pictures, tokens, hidden): `said` is what each should say, of some attributes."""
    length = seen.norm(dim=-1, keepdim=True)
    unit = seen / length
    columns, rows = (p.expand(len(seen), -1).to(seen.device) for p in places(grid))
    parts = [
        PLACE * _cross(unit @ words.columns.T, columns),
        PLACE * _cross(unit @ words.rows.T, rows),
        0.1 * (length / words.scale - 1).pow(2).mean(),
    ]
    shares: dict[str, float] = {}
    for name, numbers in said.items():
        wanted = torch.from_numpy(numbers).to(seen.device)
        scores = _scores(unit, words, name)
        if (wanted != UNSAID).any():
            parts.append(_cross(scores, wanted))
        shares |= _share(name, scores.detach(), wanted)
    return torch.stack(parts).sum(), shares


def _scores(unit: Tensor, words: Dictionary, name: str) -> Tensor:
    """(pictures, cells, 1 + words) cosines; saying nothing scores 0, where that is a choice."""
    cosines = unit @ words.attributes[name].T
    nothing = cosines.new_full((*cosines.shape[:2], 1), 0.0 if name in FROM_AFAR else -1.0)
    return torch.cat([nothing, cosines], -1)


def _cross(cosines: Tensor, wanted: Tensor) -> Tensor:
    scores = (cosines * SHARPNESS).flatten(0, 1)
    return functional.cross_entropy(scores, wanted.flatten(), ignore_index=UNSAID)


def _share(name: str, scores: Tensor, wanted: Tensor) -> dict[str, float]:
    """Share of the cells with something to say of which the right word comes first."""
    filled = wanted > 0
    if not filled.any():
        return {}
    first = scores[..., 1:].argmax(-1) + 1
    return {name: round(float((first == wanted)[filled].float().mean()), 4)}
