"""All questions of a batch: read once to check them before the first is asked, then again as they are asked."""

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from foveal.agent.errors import InputError
from foveal.graphs.query import Query, Unreadable, content_id, query
from foveal.graphs.sheet import Row, Sheet


@dataclass(frozen=True)
class Digest:
    """What the check found out."""

    ids: tuple[str, ...]
    """Of every row, in order."""
    sha256: str
    """Of every row's id, image reference, question and right answers."""


@dataclass(frozen=True)
class Questionnaire:
    """The questions of a sheet, each under an id that no other has."""

    sheet: Sheet
    names: Mapping[str, str] = field(default_factory=dict)
    """Which column of the sheet is our `image`, `question`, `id` or `answer`, where the name differs."""
    lenient: bool = False
    """Whether a row that cannot be read becomes a failure instead of an InputError."""

    def check(self) -> Digest:
        """Read everything. Raises InputError naming the first row that cannot be read."""
        digest, ids = hashlib.sha256(), list[str]()
        for item in self:
            ids.append(item.id)
            digest.update(_said(item).encode("ascii"))
        if not ids:
            raise InputError(f"{self.sheet.name} holds no questions")
        return Digest(tuple(ids), digest.hexdigest())

    def pending(
        self, done: Container[str], limit: int | None = None
    ) -> Iterator[Query | Unreadable]:
        """Those of the first `limit` whose ids are not done."""
        return (item for item in islice(self, limit) if item.id not in done)

    def __iter__(self) -> Iterator[Query | Unreadable]:
        seen, repeats = set[str](), Counter[str]()
        for row in self.sheet.rows():
            item = self._item(row, seen, repeats)
            seen.add(item.id)
            yield item

    def _item(self, row: Row, seen: set[str], repeats: Counter[str]) -> Query | Unreadable:
        try:
            if row.trouble:
                raise InputError(row.trouble)
            asked = query(row.number, self._renamed(row.values), self.sheet.base)
            asked = asked if asked.id else replace(asked, id=_counted(asked, repeats))
            if asked.id in seen:
                raise InputError(f"id {asked.id!r} was given before")
            return asked
        except InputError as error:
            place = f"{self.sheet.unit} {row.number}"
            if self.lenient:
                return Unreadable(row.number, place, str(error))
            raise InputError(f"{self.sheet.name} {place}: {error}") from None

    def _renamed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The row under our names. Raises InputError when a column that was named is not there."""
        for ours, theirs in self.names.items():
            if theirs not in values:
                has = ", ".join(map(repr, values))
                raise InputError(f"no column {theirs!r} for the {ours}; it has {has}")
        used = {*self.names, *self.names.values()}
        rest = {name: value for name, value in values.items() if name not in used}
        return rest | {ours: values[theirs] for ours, theirs in self.names.items()}


def _counted(asked: Query, repeats: Counter[str]) -> str:
    """An id from the content; asked again about the same image, with the number of the repetition."""
    name = content_id(asked.reference, asked.question)
    repeats[name] += 1
    return name if repeats[name] == 1 else f"{name}-{repeats[name]}"


def _said(item: Query | Unreadable) -> str:
    if isinstance(item, Unreadable):
        return json.dumps([item.id, item.reason])
    return json.dumps([item.id, item.reference, item.question, item.truths])
