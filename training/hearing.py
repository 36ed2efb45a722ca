"""The words that a trained tower and its projectors say, found again in what they say of pictures.

While a language model learns on, its word embeddings move; the tower and the projectors, which are kept still, go
on speaking as they were taught. In the embedded weights today's direction of a colour has a cosine of 0.8 with the
one in which the tower says it, that of a row or a texture 0.2. So whoever goes on with finished weights shows
imagined scenes, and teaches new projectors, in the words of their tower.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.training import projecting
from foveal.training.glimpses import stream
from foveal.training.meanings import ATTRIBUTES, Dictionary, places
from foveal.training.reencoders import Encoders
from foveal.training.reseeing import projector_of
from foveal.training.scenes import Scenes
from foveal.training.tower import tokens

BATCHES, BATCH = 150, 16
"""How many pictures the tower is heard about, of one size each time."""
LOOKS = 150
"""How many the projectors are heard about."""
RIDGE = 10.0
"""Cells that a word must fill to be half believed."""

Said = Mapping[str, NDArray[np.int64]]


@torch.no_grad()
def heard(
    network: Any, words: Dictionary, scenes: Scenes, encoders: Encoders, rng: np.random.Generator
) -> Dictionary:
    """`words` in the directions in which the network's tower says them, and measures in those of its projectors.

    What none of the pictures shows keeps its direction.
    """
    glimpses = list(islice(stream(scenes, rng, BATCH), BATCHES))
    seen = torch.cat([tokens(network.model.visual, one.images).flatten(0, 1) for one in glimpses])
    shown = _joined(shows(one.said, one.grid, len(one.images)) for one in glimpses)
    known = {**words.attributes, "columns": words.columns, "rows": words.rows}
    found = {
        name: _direction(directions, shown[name].any(0), known[name])
        for name, directions in fitted(seen.float().cpu(), shown).items()
    }
    scales = {
        projecting.SCALE[kind]: _measured(network, kind, scenes, encoders, rng) for kind in encoders
    }
    return words.respelled(found, float(seen.norm(dim=1).mean()), scales)


def shows(said: Said, grid: tuple[int, int], pictures: int = 1) -> dict[str, Tensor]:
    """Per attribute, and for columns and rows, (tokens, words) 1.0 where a token should say the word."""
    made = {
        name: torch.from_numpy(numbers).flatten()[:, None] == torch.arange(1, 1 + len(ATTRIBUTES[name]))
        for name, numbers in said.items()
    }  # fmt: skip
    where = zip(("columns", "rows"), places(grid), strict=True)
    made |= {name: (place[:, None] == torch.arange(8)).repeat(pictures, 1) for name, place in where}
    return {name: table.float() for name, table in made.items()}


def fitted(seen: Tensor, shown: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Per name (words, hidden): what each word adds to tokens (tokens, hidden) of length one; ridge regression."""
    design = torch.cat(list(shown.values()), 1)
    square = design.T @ design + RIDGE * torch.eye(design.shape[1])
    parts = torch.linalg.solve(square, design.T @ functional.normalize(seen, dim=1))
    return dict(zip(shown, parts.split([table.shape[1] for table in shown.values()]), strict=True))


def _measured(
    network: Any, kind: Encoder, scenes: Scenes, encoders: Encoders, rng: np.random.Generator
) -> Tensor:
    """(hidden,) the way from the least to the most of what the encoder's tokens measure."""
    numbers = rng.integers(len(scenes), size=LOOKS)
    looks = [projecting.looked(scenes, int(number), kind, encoders) for number in numbers]
    project, device = projector_of(network, kind), network.device
    seen = [project(torch.from_numpy(one.features).to(device), None).cpu() for one in looks]
    shown = _joined(shows(one.said, one.grid) for one in looks)
    level = torch.from_numpy(np.concatenate([one.measure for one in looks]))
    told = ~level.isnan()
    shown = {name: table[told] for name, table in shown.items()}
    shown["measure"] = (level[told] - level[told].mean())[:, None]
    return functional.normalize(fitted(torch.cat(seen)[told], shown)["measure"][0], dim=0)


def _direction(found: Tensor, seen: Tensor, known: Tensor) -> Tensor:
    """(words, hidden) what was `found` of words that were `seen` (words,), apart from each other; else `known`."""
    apart = functional.normalize(found - found[seen].mean(0), dim=1)
    return torch.where(seen[:, None], apart, known)


def _joined(parts: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    several = list(parts)
    return {name: torch.cat([one[name] for one in several]) for name in several[0]}
