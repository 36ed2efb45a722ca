"""Questions whose answers follow from the truth about a scene, and from nothing else.

A question is only asked where it has one answer: comparisons need a clear margin and names that fit
one thing only.
"""

from __future__ import annotations

import numpy as np

from foveal.evals import comparing, inspecting, naming, relating
from foveal.evals.asking import Maker, Question, matches
from foveal.evals.truth import Scene

_MAKERS: dict[str, Maker] = {
    "count": naming.count,
    "exist": naming.exist,
    "colour": naming.colour,
    "shape": naming.shape,
    "material": inspecting.material,
    "texture": inspecting.texture,
    "read": inspecting.read,
    "nearer": comparing.nearer,
    "side": comparing.side,
    "above": comparing.above,
    "larger": comparing.larger,
    "size": comparing.size,
    "more": naming.more,
    "same": relating.same,
    "hop": relating.hop,
    "symbol": inspecting.symbol,
    "dial": inspecting.dial,
    "tiny": inspecting.tiny,
}
FAMILIES = tuple(_MAKERS)

VISUAL = ("symbol", "dial", "tiny")
"""Families whose answer no detector, reader, outline or depth can tell: it comes through the pixels of a look."""


def questions(
    scene: Scene, rng: np.random.Generator, family: str | None = None
) -> tuple[Question, ...]:
    """Up to three questions of each family that the scene allows, grouped by family; or of one family alone."""
    makers = _MAKERS.values() if family is None else [_MAKERS[family]]
    return tuple(question for make in makers for question in make(scene, rng))


__all__ = ["FAMILIES", "VISUAL", "Question", "matches", "questions"]
