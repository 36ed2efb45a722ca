"""How large the checkpoint file of a ten-hop run is: the SQLite file on disk, once the run has ended."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foveal.agent.transcript import Asked
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.row import Finding, within
from foveal.evals.bench.ten_hops import HOPS, QUESTION, crew, parts
from foveal.evals.bench.timing import Sample
from foveal.graphs.context import Context
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Request
from foveal.tools.extras import needs
from foveal.tools.store import ImageStore

LIMIT = 64.0
"""KiB."""
SIZE = (640, 480)


def checkpoint(rounds: int | None) -> Mapping[str, Finding]:
    """The real graph with the real state, under our saver; and under LangGraph's own, which keeps every step."""
    with needs("checkpoints"):
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from foveal.graphs.checkpoints import LatestSaver

    latest, every = (asyncio.run(_kib(saver)) for saver in (LatestSaver, AsyncSqliteSaver))
    finding = within(LIMIT, Sample((latest,)), "KiB")
    numbers = {**finding.numbers, "keeping every step": every}
    detail = "the file on disk after the run; a size, so not repeated"
    return {
        "checkpoint-size": Finding(finding.ratio, finding.spread, finding.unit, numbers, detail)
    }


async def _kib(saver: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.sqlite")
        async with saver.from_conn_string(str(path)) as opened:
            await _run(opened)
        return path.stat().st_size / 1024


async def _run(saver: Any) -> None:
    """LangGraph's default durability: a run that is killed goes on from its last step."""
    from foveal.graphs.build import build

    specialists, _ = crew()
    store = ImageStore()
    working = parts(len(HOPS), store, specialists)
    asked = Asked(
        image=store.put(photograph(*SIZE)), size=SIZE, question=QUESTION, tools=working.tools
    )
    reply = await build(saver).ainvoke(
        Request(run="bench", asked=asked, budgets=working.budgets),
        context=Context(Sessions(working.model, store), working.dispatcher),
        config={"configurable": {"thread_id": "bench"}, "recursion_limit": 100},
    )
    await working.dispatcher.close()
    if len(reply["result"].hops) != len(HOPS):
        raise AssertionError(f"the run went another way: {reply['result']}")
