"""Whether answers are right as often as they are said to be, and what to say instead where they are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.native.calibration import Calibration, Knot, straight
from foveal.evals.scored import Frozen, Scored
from foveal.graphs.doubt import looked, unsure

BINS = 15
KNOTS = 10
"""Most knots of a fitted map."""
FOLDS = 5
FEWEST = 60
"""Answers with, and without, a look that there must be at least for a map of their own."""

Floats = NDArray[np.float64]


class Bin(Frozen):
    """The answers whose confidence lies in one fifteenth of 0 to 1, the upper end included."""

    low: float
    high: float
    n: int
    confidence: float
    """Mean of what was said."""
    accuracy: float
    """Share that is right."""


class Reliability(Frozen):
    """How far confidence is from the share of right answers (Guo et al., 2017)."""

    ece: float
    """Expected calibration error: mean over answers of the gap between confidence and accuracy of their bin."""
    n: int
    """Answers that claim something: "unknown" does not, nor does one without a confidence."""
    bins: tuple[Bin, ...]
    """Those that are not empty, of BINS equally wide ones."""


@dataclass(frozen=True)
class Said:
    """Answers that claim something."""

    confidence: Floats
    right: Floats
    """1 or 0."""
    seen: NDArray[np.bool_]
    """Whether anything came back before the answer."""

    def of(self, some: NDArray[Any]) -> "Said":
        """A part of them, by index or mask."""
        return Said(self.confidence[some], self.right[some], self.seen[some])

    def told(self, confidence: Sequence[float]) -> "Said":
        """The same answers, given with other confidences."""
        return Said(np.array(confidence, dtype=np.float64), self.right, self.seen)

    def __len__(self) -> int:
        return len(self.confidence)


def said(rows: Sequence[Scored]) -> Said:
    """What the answers of an evaluation claim."""
    claims = [
        (row.result.confidence, row.right, looked(row.result))
        for row in rows
        if row.result.confidence is not None and not unsure(row.result.answer)
    ]
    confidence, right, seen = zip(*claims, strict=True) if claims else ((), (), ())
    return Said(
        np.array(confidence, dtype=np.float64),
        np.array(right, dtype=np.float64),
        np.array(seen, dtype=np.bool_),
    )


def reliability(rows: Sequence[Scored]) -> Reliability | None:
    """None where no answer has a confidence."""
    claims = said(rows)
    if not len(claims):
        return None
    return Reliability(ece=gap(claims), n=len(claims), bins=_bins(claims))


def gap(claims: Said) -> float:
    """The expected calibration error of one answer or more."""
    bins = _bins(claims)
    return sum(one.n * abs(one.confidence - one.accuracy) for one in bins) / len(claims)


def _bins(claims: Said) -> tuple[Bin, ...]:
    place = np.clip(np.ceil(claims.confidence * BINS) - 1, 0, BINS - 1).astype(int)
    return tuple(_bin(i, claims.of(place == i)) for i in range(BINS) if (place == i).any())


def _bin(number: int, claims: Said) -> Bin:
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        n=len(claims),
        confidence=float(claims.confidence.mean()),
        accuracy=float(claims.right.mean()),
    )


def fitted(claims: Said) -> Calibration:
    """The map for answers with and without a look: one each, where that predicts left-out answers better."""
    if _apart(claims):
        parts = (claims.of(claims.seen), claims.of(~claims.seen))
        seen, unseen = (isotonic(part) for part in parts)
        return Calibration(seen=seen, unseen=unseen)
    both = isotonic(claims)
    return Calibration(seen=both, unseen=both)


def _apart(claims: Said) -> bool:
    """By the mean squared error over FOLDS parts that are left out in turn (Brier, 1950)."""
    if min(int(claims.seen.sum()), int((~claims.seen).sum())) < FEWEST:
        return False
    folds = np.random.default_rng(0).integers(FOLDS, size=len(claims))
    one = two = 0.0
    for fold in range(FOLDS):
        kept, left = claims.of(folds != fold), claims.of(folds == fold)
        both = isotonic(kept)
        own = {seen: isotonic(kept.of(kept.seen == seen)) for seen in (True, False)}
        for x, right, seen in zip(left.confidence, left.right, left.seen, strict=True):
            one += (straight(both, float(x)) - right) ** 2
            two += (straight(own[bool(seen)], float(x)) - right) ** 2
    return two < one


def isotonic(claims: Said) -> tuple[Knot, ...]:
    """Isotonic regression by pooling adjacent violators (Ayer et al., 1955), over at most KNOTS groups.

    The groups have equally many answers each, by rising confidence, and equal confidences are never parted. Each
    counts half an answer more of either kind (Krichevsky and Trofimov, 1981): few make no certainty.
    """
    blocks: list[list[float]] = []
    for group in _groups(claims.confidence):
        blocks.append(
            [float(claims.confidence[group].sum()), float(claims.right[group].sum()), len(group)]
        )
        while len(blocks) > 1 and _height(blocks[-2]) >= _height(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    if not blocks:
        raise ValueError("there are no answers to calibrate on")
    return tuple((round(min(x / n, 1.0), 6), round((r + 0.5) / (n + 1), 6)) for x, r, n in blocks)


def _height(block: Sequence[float]) -> float:
    _, right, n = block
    return (right + 0.5) / (n + 1)


def _groups(confidence: Floats) -> list[NDArray[np.int64]]:
    """Indices by rising confidence, in groups of about the same size."""
    order = np.argsort(confidence, kind="stable").astype(np.int64)
    if not len(order):
        return []
    ranked = confidence[order].round(6)
    cuts = np.linspace(0, len(order), KNOTS + 1).round().astype(int)[1:-1]
    # A cut between equals moves to where these begin.
    moved = np.unique(
        np.searchsorted(ranked, ranked[np.minimum(cuts, len(order) - 1)], side="left")
    )
    return [part for part in np.split(order, moved) if len(part)]
