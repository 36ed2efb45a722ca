"""What the projectors of the other encoders should say of their features, before anything conditions it.

As with the tower: a token that speaks in the language model's own words is understood in minutes. The depth
estimator's tokens say how near their patch is, between the words "near" and "far"; the segmenter's how much of the
picture the thing covers that fills most of their block, between "larger" and "smaller".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.training.align import said_loss
from foveal.training.glimpses import ENOUGH, content, filling
from foveal.training.meanings import FROM_AFAR, REACH, Dictionary
from foveal.training.reencoders import Encoders, blocks_of, patches_of
from foveal.training.reseeing import projector_of
from foveal.training.scenes import DEPTH_SIDE, Scenes

KINDS: tuple[Encoder, ...] = ("detection", "seg")
SCALE: dict[Encoder, str] = {"detection": "near", "seg": "larger"}
"""What the tokens of an encoder measure, as the dictionary calls it."""
LITTLE = 0.02
"""Share of a segmenter's block, which is large, that a thing must fill to be spoken of."""
CLOSEST = 0.05
"""Metres; nothing is taken to be nearer."""
LEAST, MOST = 0.001, 0.25
"""Shares of the picture that count as the smallest and the largest thing."""


@dataclass(frozen=True)
class Looked:
    """One picture through one encoder, and what its tokens should say."""

    encoder: Encoder
    features: NDArray[np.float32]
    said: dict[str, NDArray[np.int64]]
    """Per attribute (tokens,): 1 + the index of the word, 0 for nothing."""
    measure: NDArray[np.float32]
    """(tokens,) 0 far or small to 1 near or large; nan where it is not to be said."""
    grid: tuple[int, int]


def stream(
    scenes: Scenes, encoders: Encoders, rng: np.random.Generator, batch: int
) -> Iterator[list[Looked]]:
    """Endless batches; what was encoded once is kept."""
    known: dict[tuple[int, Encoder], Looked] = {}
    while True:
        keys = [(int(rng.integers(len(scenes))), kind) for kind in KINDS for _ in range(batch // 2)]
        for number, kind in keys:
            if (number, kind) not in known:
                known[number, kind] = looked(scenes, number, kind, encoders)
        yield [known[key] for key in keys]


def looked(scenes: Scenes, number: int, kind: Encoder, encoders: Encoders) -> Looked:
    """A cached scene through one encoder."""
    _, _, width, height = content(scenes, number)
    side = max(width, height)
    seg = kind == "seg"
    grid = blocks_of(width, height) if seg else patches_of(width, height)
    window = (0, 0, side, side) if seg else (0, 0, width, height)
    which = filling(scenes, number, window, grid, LITTLE if seg else ENOUGH["colour"])
    rows = scenes.things[number]
    said = {
        name: np.where(which >= 0, rows[name].astype(np.int64)[which] + 1, 0) for name in FROM_AFAR
    }
    measure = covered(scenes, number, which) if seg else nearness(scenes, number, grid)
    return Looked(kind, encoders[kind](scenes.pictures[number]), said, measure, grid)


def covered(scenes: Scenes, number: int, which: NDArray[np.int64]) -> NDArray[np.float32]:
    """(tokens,) how large the thing is that fills most of each block, even in the logarithm of its area."""
    _, _, width, height = content(scenes, number)
    shares = scenes.things[number]["visible"][which].astype(np.float32) / (width * height)
    return np.where(which >= 0, largeness(shares), np.nan).astype(np.float32)


def largeness(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shares of the picture as levels from 0 to 1, even in their logarithm."""
    return np.asarray(np.log(np.clip(shares, LEAST, MOST) / LEAST) / np.log(MOST / LEAST))


def inverted(metres: ArrayLike, span: tuple[float, float]) -> NDArray[np.float32]:
    """How near that is, even in 1 / distance: 0 as the farthest pixel, 1 as the nearest, of which `span` is."""
    low, high = span
    nearness = 1 / np.maximum(np.asarray(metres, np.float32), CLOSEST)
    return np.asarray((nearness - low) / max(high - low, 1e-6), np.float32)


def span_of(metres: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """1 / distance of the farthest and of the nearest pixel of a depth map; nothing is at 0 metres."""
    inverse = 1 / np.asarray(metres[metres > 0], np.float32)
    return (float(inverse.min()), float(inverse.max())) if inverse.size else (0.0, 1.0)


def nearness(scenes: Scenes, number: int, grid: tuple[int, int]) -> NDArray[np.float32]:
    """(tokens,) how near each patch is, even in 1 / distance from the farthest pixel to the nearest."""
    x0, y0, x1, y1 = scenes.content[number] * DEPTH_SIDE
    ys = (y0 + (np.arange(grid[0]) + 0.5) * (y1 - y0) / grid[0]).astype(int)
    xs = (x0 + (np.arange(grid[1]) + 0.5) * (x1 - x0) / grid[1]).astype(int)
    metres = np.asarray(scenes.depth[number], np.float32)
    if scenes.flat[number]:
        return np.full(grid[0] * grid[1], np.nan, np.float32)
    levels = inverted(metres[ys[:, None], xs[None]], span_of(metres))
    return np.clip(levels, 0, 1).ravel()


def projection_loss(
    network: Any, words: Dictionary, batch: list[Looked]
) -> tuple[Tensor, dict[str, float]]:
    """How far the tokens of a batch are from saying what they should; and how much of it they say."""
    losses: list[Tensor] = []
    shares: dict[str, list[float]] = {}
    for one in batch:
        device = words.rows.device
        tokens = projector_of(network, one.encoder)(torch.from_numpy(one.features).to(device), None)
        loss, numbers = said_loss(
            tokens[None], words, {k: v[None] for k, v in one.said.items()}, one.grid
        )
        wanted = torch.from_numpy(one.measure).to(device)
        told = ~wanted.isnan()
        losses.append(loss)
        if told.any():
            cosine = functional.normalize(tokens, dim=1)[told] @ words.scales[SCALE[one.encoder]]
            off = cosine - REACH * (2 * wanted[told] - 1)
            losses.append(8 * off.pow(2).mean())
            numbers["measure"] = 1 - float(off.detach().abs().mean()) / REACH
        for name, value in numbers.items():
            shares.setdefault(f"{one.encoder}_{name}", []).append(value)
    means = {name: round(sum(values) / len(values), 4) for name, values in shares.items()}
    return torch.stack(losses).sum() / len(batch), means
