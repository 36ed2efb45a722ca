"""LangGraph's savers as runs use them: every step of a run in SQLite or PostgreSQL, or its latest alone.

Going back to a step needs them all, and the file then grows with the square of the hops; taking up a run that was
cut off needs only the last.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.budgets import Budgets, Spent
from foveal.graphs.durable.place import Place
from foveal.graphs.result import Fork, Hop, Result
from foveal.graphs.state import Outcome, Task

if TYPE_CHECKING:
    from aiosqlite import Connection

TABLES = ("checkpoints", "writes")
HELD = (Asked, Acted, Observed, Noted, Task, Outcome, Budgets, Spent, Hop, Result, Fork)
"""What a checkpoint holds; nothing else is made from what a file says."""
PATIENCE = 30.0
"""Seconds to wait for another process that writes to the same file."""


def serializer() -> JsonPlusSerializer:
    """What writes and reads checkpoints: nothing but what they hold, whatever a database says."""
    return JsonPlusSerializer(allowed_msgpack_modules=HELD)


class FullSaver(AsyncSqliteSaver):
    """LangGraph's SQLite saver with our list of what may be read."""

    def __init__(self, conn: "Connection") -> None:
        """Of an open connection; `from_conn_string` opens one."""
        super().__init__(conn, serde=serializer())


class LatestSaver(FullSaver):
    """One checkpoint per run: `build(saver)`, and the run's id as `thread_id`."""

    async def setup(self) -> None:
        """Make the tables where there are none, in a file that gives back what is deleted from it."""
        if not self.is_setup:
            await self.conn.execute("PRAGMA auto_vacuum = FULL")  # counts before the first table
        await super().setup()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint, then delete those before it, and what was written on the way to it."""
        saved = await super().aput(config, checkpoint, metadata, new_versions)
        place = saved["configurable"]
        async with self.lock, self.conn.cursor() as cursor:
            for table in TABLES:  # ids sort by time
                await cursor.execute(
                    f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?",
                    (place["thread_id"], place["checkpoint_ns"], place["checkpoint_id"]),
                )
            await self.conn.commit()
        return saved


@asynccontextmanager
async def saver_of(place: Place) -> AsyncIterator[Any]:
    """The saver of a place, its tables made."""
    if place.kind == "postgres":
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        async with AsyncPostgresSaver.from_conn_string(place.where, serde=serializer()) as server:
            await server.setup()
            yield server
        return
    from aiosqlite import connect

    kind = LatestSaver if place.lean else FullSaver
    async with connect(place.where, timeout=PATIENCE) as connection:
        saver = kind(connection)
        await saver.setup()
        yield saver
