"""What is kept beside LangGraph's own tables: what a run was asked, what came of it, what its hops point at."""

from collections.abc import Sequence
from typing import Any, Protocol

RUNS = """CREATE TABLE IF NOT EXISTS foveal_runs
    (run TEXT PRIMARY KEY, record TEXT NOT NULL, result TEXT)"""
SEEN = """CREATE TABLE IF NOT EXISTS foveal_seen
    (run TEXT NOT NULL, key TEXT NOT NULL, data {bytes} NOT NULL, PRIMARY KEY (run, key))"""


class Saver(Protocol):
    """What we need of a LangGraph saver: its connection, and the lock on it."""

    conn: Any
    lock: Any


class Tables:
    """Our two tables, in SQLite or PostgreSQL; every statement is written with `?`."""

    def __init__(self, saver: Saver, postgres: bool) -> None:
        self._saver, self._postgres = saver, postgres

    async def setup(self) -> None:
        """Make the tables where there are none."""
        await self.run(RUNS)
        await self.run(SEEN.format(bytes="BYTEA" if self._postgres else "BLOB"))

    async def begin(self, run: str, record: str) -> None:
        """A run begins; `record` is what a fresh process needs to know of it."""
        await self.run("INSERT INTO foveal_runs (run, record) VALUES (?, ?)", run, record)

    async def finish(self, run: str, result: str) -> None:
        """A run is over."""
        await self.run("UPDATE foveal_runs SET result = ? WHERE run = ?", result, run)

    async def found(self, run: str) -> tuple[str, str | None] | None:
        """A run's record and, when it is over, its result."""
        rows = await self.run("SELECT record, result FROM foveal_runs WHERE run = ?", run)
        return (rows[0][0], rows[0][1]) if rows else None

    async def all(self) -> list[tuple[str, str | None]]:
        """Every run's record and result."""
        rows = await self.run("SELECT record, result FROM foveal_runs")
        return [(record, result) for record, result in rows]

    async def names(self, like: str) -> list[str]:
        """The ids that begin so."""
        rows = await self.run("SELECT run FROM foveal_runs ORDER BY run")
        return [run for (run,) in rows if run.startswith(like)]

    async def keep(self, run: str, key: str, data: bytes) -> None:
        """Keep what one of the run's hops points at."""
        sql = "INSERT INTO foveal_seen (run, key, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self.run(sql, run, key, data)

    async def kept(self, run: str) -> list[tuple[str, bytes]]:
        """All that the run's hops point at."""
        rows = await self.run("SELECT key, data FROM foveal_seen WHERE run = ?", run)
        return [(key, bytes(data)) for key, data in rows]

    async def copy(self, run: str, other: str) -> None:
        """Give another run what one run's hops point at."""
        sql = "INSERT INTO foveal_seen (run, key, data) SELECT ?, key, data FROM foveal_seen WHERE run = ?"
        await self.run(sql, other, run)

    async def run(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """Run one statement. The connection is the saver's, and so is the lock on it."""
        async with self._saver.lock:
            if self._postgres:
                return await _in_postgres(self._saver.conn, sql, values)
            return await _in_sqlite(self._saver.conn, sql, values)


async def _in_sqlite(conn: Any, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    async with conn.execute(sql, values) as cursor:
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
    await conn.commit()
    return rows


async def _in_postgres(conn: Any, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    from psycopg.rows import tuple_row

    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(sql.replace("?", "%s"), values or None)
        rows: Sequence[Sequence[Any]] = await cursor.fetchall() if cursor.description else []
    return rows
