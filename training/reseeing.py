"""Visual tokens of a packed batch, re-encodings made as when serving: conditioned on the model's own state.

`<|X_action|>` is fed as the control state h, the state from which it was predicted, and h also conditions what the
projector makes of the encoder's features (Visual Perception Token, arXiv 2502.17425). So a batch that
re-encodes is computed twice, first to find h; gradients flow through both.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.agent.actions import Encoder
from foveal.training.forward import stream
from foveal.training.packing import Packed
from foveal.training.tower import tokens


@dataclass(frozen=True)
class Again:
    """A whole picture through another encoder, before the projector."""

    encoder: Encoder
    values: NDArray[Any]
    """The encoder's features; of the model's own tower, "clip", the picture (28 rows, 28 columns, 3)."""
    count: int
    """Tokens that the projector makes of it."""


Shown = NDArray[np.uint8] | Tensor | Again
"""A picture (28 rows, 28 columns, 3), its visual tokens (rows x columns, hidden), or a re-encoding."""


def seen(network: Any, packed: Packed, pictures: Sequence[Shown]) -> tuple[Tensor, Tensor | None]:
    """The batch's visual tokens (tokens, hidden) in reading order, and its control states (n, hidden), if any.

    The tower learns nothing here; projectors do. A re-encoding belongs to the last control token before it;
    one that failed has none.
    """
    plain = _plain(network.model.visual, pictures)
    if not any(isinstance(picture, Again) for picture in pictures):
        return torch.cat(plain), None
    states = _states(network, packed, _blanked(plain, pictures))
    waiting = iter(states[_askers(packed, plain, pictures)])
    made = [
        projector_of(network, picture.encoder)(one, next(waiting))
        if isinstance(picture, Again)
        else one
        for one, picture in zip(plain, pictures, strict=True)
    ]
    return torch.cat([one.float() for one in made]), states


def _askers(packed: Packed, plain: Sequence[Tensor], pictures: Sequence[Shown]) -> list[int]:
    """For every re-encoding, which control token it answers, both in reading order."""
    places = packed.visual.flatten().nonzero()[:, 0].tolist()
    controls = packed.controls.flatten().nonzero()[:, 0].tolist()
    askers, start = [], 0
    for one, picture in zip(plain, pictures, strict=True):
        if isinstance(picture, Again):
            askers.append(bisect(controls, places[start]) - 1)
        start += picture.count if isinstance(picture, Again) else len(one)
    return askers


def projector_of(network: Any, encoder: Encoder) -> Any:
    """The projector that the network holds for an encoder."""
    return getattr(network, f"{encoder}_projector")


def _plain(tower: Any, pictures: Sequence[Shown]) -> list[Tensor]:
    """Tokens of what the tower sees, which is computed without gradients; an encoder's features as they are."""
    device = next(tower.parameters()).device
    sizes: dict[tuple[int, ...], list[int]] = {}
    found: dict[int, Tensor] = {}
    for index, picture in enumerate(pictures):
        if isinstance(picture, Tensor):
            found[index] = picture.to(device)
        elif isinstance(picture, Again) and picture.encoder != "clip":
            found[index] = torch.from_numpy(picture.values).to(device)
        else:
            sizes.setdefault(_pixels(picture).shape, []).append(index)
    with torch.no_grad():
        for indices in sizes.values():
            made = tokens(tower, np.stack([_pixels(pictures[i]) for i in indices]))
            found |= dict(zip(indices, made, strict=True))
    return [found[index] for index in range(len(pictures))]


def _pixels(picture: Any) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = picture.values if isinstance(picture, Again) else picture
    return values


def _blanked(plain: Sequence[Tensor], pictures: Sequence[Shown]) -> Tensor:
    """Nothing where re-encodings will stand: no state before them sees it."""
    width = next(
        p.shape[-1] for p, s in zip(plain, pictures, strict=True) if not isinstance(s, Again)
    )
    return torch.cat(
        [
            one.new_zeros(picture.count, width) if isinstance(picture, Again) else one
            for one, picture in zip(plain, pictures, strict=True)
        ]
    )


def _states(network: Any, packed: Packed, blanked: Tensor) -> Tensor:
    """(n, hidden) the state before every control token, in reading order."""
    asks = packed.controls.any(1)
    counts = packed.visual.sum(1).tolist()
    parts = [part for part, kept in zip(blanked.split(counts), asks, strict=True) if kept]
    some = packed.of_rows(asks)
    hidden = stream(network, some, torch.cat(parts))
    return hidden[:, :-1][some.controls[:, 1:]].float()
