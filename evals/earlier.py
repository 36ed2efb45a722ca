"""What specialists were last asked in the rows of an evaluation that goes on, for who still has to know it."""

from collections.abc import Sequence

from foveal.agent.observations import Failed
from foveal.evals.interference import BLANK, Call
from foveal.evals.pointed import pointed
from foveal.evals.scored import Scored
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.graphs.result import Hop
from foveal.tools.store import ImageStore


def last_calls(rows: Sequence[Scored], split: Split, store: ImageStore) -> list[Call]:
    """The last call of each kind that a specialist answered; the images go into the store."""
    found: dict[str, Call] = {}
    for row in reversed(rows):
        fresh: dict[str, Call] = {}
        for hop, marks in pointed(row.result, row.size):
            action = hop.instead or hop.action
            if _answered(hop) and action.kind not in found:
                fresh[action.kind] = (action, row.result.image, marks)
        if fresh:
            store.put(scene(row.scene, split, size_of(row.scene, split)).image)
        found = fresh | found
    return list(found.values())


def _answered(hop: Hop) -> bool:
    seen = hop.observation
    if hop.repeated:
        return False
    # What was replaced by nothing had been found all the same.
    return not isinstance(seen, Failed) or seen.message.endswith(BLANK)
