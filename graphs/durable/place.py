"""Where runs are kept, as a user writes it: `sqlite:PATH`, `sqlite-latest:PATH` or `postgres:URL`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from foveal.agent.errors import InputError, SetupError

Kind = Literal["sqlite", "sqlite-latest", "postgres"]
FILES: dict[str, Kind] = {"sqlite": "sqlite", "sqlite-latest": "sqlite-latest"}
MEMORY = ":memory:"
"""SQLite's name for a database that ends with the process."""

_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@|(\bpassword=)\S+")
_ENGINES = ("sqlite3", "psycopg", "psycopg_pool")


@dataclass(frozen=True)
class Place:
    """A database of runs."""

    kind: Kind
    where: str
    """A path, or what PostgreSQL's library takes: a URL, or `host=... dbname=...`."""

    def __str__(self) -> str:
        return f"{self.kind}:{_PASSWORD.sub(_starred, self.where)}"

    @property
    def absent(self) -> bool:
        """Whether it is a file that is not there."""
        return self.kind != "postgres" and self.where != MEMORY and not Path(self.where).exists()

    @property
    def lean(self) -> bool:
        """Whether only a run's latest step is kept."""
        return self.kind == "sqlite-latest"


def place_of(text: str) -> Place:
    """From what a user writes. Raises InputError for anything else."""
    kind, _, where = text.partition(":")
    if kind in ("postgres", "postgresql"):
        address = f"postgresql:{where}" if where.startswith("//") else where
        return Place("postgres", _given(address, "postgres://user@host/database"))
    if kind in FILES:
        return Place(FILES[kind], _given(where, "sqlite:runs.db"))
    shown = _PASSWORD.sub(_starred, text)
    known = ", ".join(f"{each}:..." for each in get_args(Kind))
    raise InputError(f"no checkpoint {shown!r}; known: {known}, as sqlite:runs.db")


@contextmanager
def troubles(place: Place) -> Iterator[None]:
    """Inside, what the database's library raises becomes SetupError."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _ENGINES:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SetupError(
            f"cannot use {place}: {_PASSWORD.sub(_starred, reason)}", _cure(place)
        ) from error


def _given(where: str, example: str) -> str:
    if not where:
        raise InputError(f"the checkpoint does not say where; write {example}")
    return where


def _starred(found: re.Match[str]) -> str:
    return f"{found[1]}:***@" if found[1] is not None else f"{found[2]}***"


def _cure(place: Place) -> str:
    if place.kind == "postgres":
        return "see that the server runs, and that this user may make tables there"
    return "see that the folder exists and may be written, and that the file is a database of runs"
