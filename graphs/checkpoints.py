"""A run's checkpoint in SQLite that does not grow with its hops squared: the latest one is kept, older ones go.

LangGraph's own saver keeps the state after every step, for going back to it; taking up a run that was cut off
needs only the last.
"""

from typing import TYPE_CHECKING

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.budgets import Budgets, Spent
from foveal.graphs.result import Hop, Result
from foveal.graphs.state import Outcome, Task

if TYPE_CHECKING:
    from aiosqlite import Connection

TABLES = ("checkpoints", "writes")
HELD = (Asked, Acted, Observed, Noted, Task, Outcome, Budgets, Spent, Hop, Result)
"""What a checkpoint holds; nothing else is made from what a file says."""


class LatestSaver(AsyncSqliteSaver):
    """LangGraph's SQLite saver with one checkpoint per run: `build(saver)`, and the run's id as `thread_id`."""

    def __init__(self, conn: "Connection") -> None:
        """Of an open connection; `from_conn_string` opens one."""
        super().__init__(conn, serde=JsonPlusSerializer(allowed_msgpack_modules=HELD))

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
