"""One process for one run, held by the operating system or the server, so that it ends with the process."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from foveal.agent.errors import InputError
from foveal.graphs.durable.place import MEMORY, Place, troubles
from foveal.graphs.durable.tables import Tables

LOCK = "SELECT pg_try_advisory_lock(hashtextextended(?, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(?, 0))"


def held(run: str, place: Place, tables: Tables) -> Any:
    """An asynchronous context in which nobody else goes on with a run.

    Raises InputError when somebody does. On a network folder it is as good as the folder's server.
    """
    if place.where == MEMORY:
        return nullcontext()
    return _in_postgres(run, place, tables) if place.kind == "postgres" else _beside(run, place)


@asynccontextmanager
async def _in_postgres(run: str, place: Place, tables: Tables) -> AsyncIterator[None]:
    """An advisory lock of the connection's, which goes when the connection does."""
    from psycopg import Error

    with troubles(place):
        ((mine,),) = await tables.run(LOCK, run)
    if not mine:
        raise taken(run)
    try:
        yield
    finally:
        with suppress(Error):  # the connection is gone, and the lock with it
            await tables.run(UNLOCK, run)


@asynccontextmanager
async def _beside(run: str, place: Place) -> AsyncIterator[None]:
    """A locked file beside the database, which is there only as long as the run is under way."""
    path = Path(f"{place.where}.{run}.lock")
    file = await asyncio.to_thread(_locked, path)
    if file is None:
        raise taken(run)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int | None:
    """A descriptor of the file, which nobody else has locked; None when somebody has."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            return file
        os.close(file)  # whoever had it before has just taken it away


def taken(run: str) -> InputError:
    """Two processes that went on with one run would ask everything twice."""
    return InputError(f"run {run} is under way in another process; wait for it, or end that one")
