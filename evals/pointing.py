"""Whether a model that points at the grid points at what the question is about.

Counted are questions about one thing in which a region was pointed at. The first region's crop contains the thing
when it holds the middle of the thing's box and three quarters of the box's area. The same is asked of these
regions dealt out anew among these questions, which says how often a crop of such a size contains the thing anyhow:
cells are shares of a picture, so they can be moved to another one as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foveal.agent.actions import Region, targets_of
from foveal.agent.regions import box_to_cells, cells_to_box
from foveal.evals.boxes import XYXY, area, contains
from foveal.evals.score import wilson
from foveal.evals.scored import Frozen, Scored

TIGHT = 1.2
"""A crop is as small as it should be when its area is at most so many times that of the true cells' crop."""


class Pointing(Frozen):
    """How well regions were pointed at."""

    n: int
    """Questions about one thing in which a region was pointed at."""
    of: int
    """Questions about one thing."""
    contains: float
    """Share of the n whose first region's crop contains the thing."""
    interval: tuple[float, float]
    """Wilson's 95 % interval of that share."""
    shuffled: float
    """The same with the regions dealt out anew."""
    tight: float
    """Share of the n whose crop is at most TIGHT times as large as that of the thing's own cells."""


@dataclass(frozen=True)
class _Pointed:
    region: Region
    target: XYXY
    size: tuple[int, int]

    def holds(self, region: Region) -> bool:
        return contains(cells_to_box(region, *self.size), self.target)

    def tight(self) -> bool:
        true = box_to_cells(self.target, *self.size)
        crop, best = (area(cells_to_box(one, *self.size)) for one in (self.region, true))
        return crop <= TIGHT * best


def pointing(rows: Sequence[Scored], seed: int = 0) -> Pointing | None:
    """None where no region was pointed at."""
    alone = [row for row in rows if len(row.targets) == 1]
    found = [
        _Pointed(region, row.targets[0], row.size)
        for row in alone
        if (region := _first(row)) is not None
    ]
    if not found:
        return None
    hits, n = sum(one.holds(one.region) for one in found), len(found)
    others = [found[i].region for i in _moved(n, seed)]
    return Pointing(
        n=n,
        of=len(alone),
        contains=hits / n,
        interval=wilson(hits, n),
        shuffled=sum(one.holds(other) for one, other in zip(found, others, strict=True)) / n,
        tight=sum(one.tight() for one in found) / n,
    )


def _first(row: Scored) -> Region | None:
    targets = (t for hop in row.result.hops for t in targets_of(hop.action))
    return next((target for target in targets if isinstance(target, Region)), None)


def _moved(n: int, seed: int) -> list[int]:
    """A permutation in which, of two or more, none stays in its place: one cycle through all in random order."""
    order = np.random.default_rng(seed).permutation(n)
    moved = np.empty(n, dtype=np.int64)
    moved[order] = np.roll(order, 1)
    return [int(i) for i in moved]
