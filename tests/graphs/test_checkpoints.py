"""A run that was cut off goes on from the one checkpoint that is kept."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.actions import PERCEPTIONS, Region
from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Budgets
from foveal.graphs.build import build
from foveal.graphs.checkpoints import LatestSaver, saver_of
from foveal.graphs.context import Context
from foveal.graphs.durable.place import place_of
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Request

SCRIPT = ("<|detect_start|>red<|detect_end|>", "<|look_start|><|obj_2|><|look_end|>", "2")


@pytest.fixture
def asked(store: Any, picture: Any) -> Asked:
    key = store.put(picture)
    return Asked(image=key, size=(96, 64), question="How many?", tools=PERCEPTIONS)


@pytest.fixture
def context(painter: Any, store: Any, reciter: Any) -> Callable[..., Context]:
    return lambda *turns: Context(Sessions(reciter(*turns), store), painter)


def _config(run: str) -> Any:
    return {"configurable": {"thread_id": run}}


def _rows(path: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(path) as database:
        sql = "SELECT thread_id, count(*) FROM checkpoints GROUP BY thread_id ORDER BY thread_id"
        return database.execute(sql).fetchall()


async def test_a_run_that_broke_goes_on_in_another_process(
    asked: Asked,
    context: Callable[..., Context],
    painter: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "runs.sqlite"
    request = Request(run="r", asked=asked, budgets=Budgets())

    async def break_at_look(action: Any) -> None:
        if action.kind == "look":
            raise ConnectionError("the machine went down")

    painter.before = break_at_look
    async with LatestSaver.from_conn_string(str(path)) as saver:
        with pytest.raises(ConnectionError):
            await build(saver).ainvoke(request, _config("r"), context=context(*SCRIPT))
    assert _rows(path) == [("r", 1)]
    painter.before = None
    async with LatestSaver.from_conn_string(str(path)) as saver:
        reply = await build(saver).ainvoke(None, _config("r"), context=context(*SCRIPT))
    assert reply["result"].answer == "2"
    assert [action.kind for action in painter.calls] == ["detect", "look", "look"]
    assert "unregistered" not in caplog.text


@pytest.mark.parametrize("kind", ["sqlite", "sqlite-latest", "postgres"])
async def test_nothing_else_is_made_from_what_a_database_says(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = f"{kind}:{tmp_path / 'runs.sqlite'}"
    if kind == "postgres":
        place = request.getfixturevalue("postgres").address
    async with saver_of(place_of(place)) as saver:
        stored = saver.serde.dumps_typed(Region(x0=0, y0=0, x1=1, y1=1))
        assert not isinstance(saver.serde.loads_typed(stored), Region)
        kept = saver.serde.dumps_typed(Budgets())
        assert saver.serde.loads_typed(kept) == Budgets()


async def test_each_run_keeps_its_own(
    asked: Asked, context: Callable[..., Context], tmp_path: Path
) -> None:
    path = tmp_path / "runs.sqlite"
    async with LatestSaver.from_conn_string(str(path)) as saver:
        graph = build(saver)
        for run in ("a", "b"):
            request = Request(run=run, asked=asked, budgets=Budgets())
            await graph.ainvoke(request, _config(run), context=context(*SCRIPT))
        values = (await graph.aget_state(_config("a"))).values
    assert _rows(path) == [("a", 1), ("b", 1)]
    assert values["result"].answer == "2"
