"""What the graph and the dispatcher cost per hop, when model and specialists cost nothing."""

import asyncio
import time
from collections.abc import Mapping

from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.row import Finding, within
from foveal.evals.bench.ten_hops import HOPS, QUESTION, crew, parts
from foveal.evals.bench.timing import Sample, in_turn
from foveal.graphs.run import run
from foveal.tools.store import ImageStore

LIMIT = 5.0
"""Milliseconds per hop."""
ROUNDS = 20


def overhead(rounds: int | None) -> Mapping[str, Finding]:
    """Whole runs of ten hops, from pixels to result, less what the specialists themselves took, over ten."""
    with asyncio.Runner() as runner:
        samples = in_turn({"per hop": lambda: runner.run(per_hop(len(HOPS)))}, rounds or ROUNDS)
    milliseconds = Sample(tuple(1000 * value for value in samples["per hop"].values))
    return {"hop-overhead": within(LIMIT, milliseconds, "ms")}


async def per_hop(hops: int) -> float:
    """Seconds per hop of one run."""
    specialists, made = crew()
    working = parts(hops, ImageStore(), specialists)
    pixels = photograph(640, 480)
    began = time.perf_counter()
    result = await run(QUESTION, pixels, working)
    seconds = time.perf_counter() - began
    await working.dispatcher.close()
    if len(result.hops) != hops or result.notes:
        raise AssertionError(f"the run went another way: {result}")
    return (seconds - sum(one.seconds for one in made.values())) / hops
