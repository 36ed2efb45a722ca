"""Detecting pairs of colour and shape that no picture of training shows.

The last layer of a detector's classifier has a vector for each pair. Those of the pairs that were trained are
close to the sum of one vector for their colour and one for their shape; the same sum then stands for a pair
that was not. Composing classifiers of what was never seen together is due to Misra, Gupta and Hebert (From Red
Wine to Red Tomato, CVPR 2017), who train a network to do it.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.evals.palette import COLOURS
from foveal.evals.vocabulary import FIGURES, HELD_OUT, SOLIDS, parts

Pair = tuple[str | None, str]
"""Colour, if there is one, and shape."""
LAST = re.compile(r"cv3\.\d+\.2\.(weight|bias)$")
"""The last layer of the classifier, at each of YOLO11's strides."""


def composed(state: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """A detector's tensors with vectors for the pairs that are held out; solids and figures are kept apart."""
    made = dict(state)
    for key in filter(LAST.search, state):
        rows = (
            state[key].float().flatten(1) if state[key].dim() > 1 else state[key].float()[:, None]
        )
        values = rows.cpu().numpy().astype(np.float64)
        for shapes in (SOLIDS, FIGURES):
            _fill(values, [parts(name) for name in names], shapes)
        made[key] = torch.from_numpy(values).reshape(state[key].shape).to(state[key])
    return made


def _fill(values: NDArray[np.float64], pairs: Sequence[Pair], shapes: Collection[str]) -> None:
    """Replace the rows of the held-out pairs of these shapes by what the others, least squares, add up to."""
    known = {
        pair: row for row, pair in enumerate(pairs) if pair[0] in COLOURS and pair[1] in shapes
    }
    trained = [pair for pair in known if pair not in HELD_OUT]
    vectors = np.linalg.lstsq(
        _indicators(trained, shapes), values[[known[pair] for pair in trained]], rcond=None
    )[0]
    missing = [pair for pair in known if pair in HELD_OUT]
    values[[known[pair] for pair in missing]] = _indicators(missing, shapes) @ vectors


def _indicators(pairs: Sequence[Pair], shapes: Collection[str]) -> NDArray[np.float64]:
    """(pairs, colours + shapes) 1 where a pair has that colour or shape."""
    every = [*COLOURS, *shapes]
    return np.array([[float(word in pair) for word in every] for pair in pairs])
