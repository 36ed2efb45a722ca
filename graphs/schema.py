"""What an answer in JSON must be: a pydantic class or a JSON schema, and whether an answer fits it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypeVar

from foveal.agent.errors import InputError

T = TypeVar("T", default=Any)

SHOWN = 3
"""Reasons that are told at once."""
LONG = 200
"""Characters of a reason, which may quote the whole answer."""

_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_STRUCTURED = ("{", "[", "`")
"""How JSON begins that is no plain words, even where it is cut off."""


class Misfit(ValueError):
    """An answer that does not fit; the message says where, for the model and the user."""


@dataclass(frozen=True)
class Schema(Generic[T]):
    """What an answer must fit."""

    text: str
    """The JSON schema, as JSON text."""
    read: Callable[[str], T]
    """From JSON text to the value. Raises Misfit."""

    @property
    def json(self) -> dict[str, Any]:
        """The JSON schema."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    def fitted(self, answer: str) -> T:
        """The value of an answer: its JSON, also in a code fence; or, in plain words, the only field's value.

        Raises Misfit with what is wrong with the first of these readings.
        """
        trouble: Misfit | None = None
        for reading in _readings(answer, _only_field(self.json)):
            try:
                return self.read(reading)
            except Misfit as misfit:
                trouble = trouble or misfit
        raise trouble or Misfit("there is no answer")


Wanted = type[T] | Schema[T] | Mapping[str, Any]
"""What an answer's value is to be: a pydantic class, a schema that was read, or a JSON schema."""


def schema_of(source: Wanted[T]) -> Schema[T]:
    """From a pydantic class, any other type that pydantic knows, or a JSON schema.

    Raises InputError for what is none of these.
    """
    if isinstance(source, Schema):
        return source
    return _declared(source) if isinstance(source, Mapping) else _typed(source)


def schema_file(path: str | Path) -> Schema[Any]:
    """From a file with a JSON schema. Raises InputError when it holds none."""
    try:
        found = from_json(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read schema {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"schema {str(path)!r} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"schema {str(path)!r} is no JSON object, so no JSON schema")
    return _declared(found)


def _typed(kind: type[T]) -> Schema[T]:
    try:
        adapter = TypeAdapter(kind)
        schema = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{kind!r} cannot be an answer's schema: {reason}") from None

    def read(text: str) -> T:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            raise Misfit(_told((each["loc"], each["msg"]) for each in error.errors())) from None

    return Schema(_written(schema), read)


def _declared(schema: Mapping[str, Any]) -> Schema[Any]:
    from foveal.graphs.schema_check import checker  # jsonschema is needed for this alone

    check = checker(schema)

    def read(text: str) -> Any:
        try:
            value = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise Misfit(f"it is no JSON: {error}") from None
        reasons = _told(check(value))
        if reasons:
            raise Misfit(reasons)
        return value

    return Schema(_written(schema), read)


def _written(schema: Mapping[str, Any]) -> str:
    try:
        return json.dumps(schema, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the schema cannot be written as JSON: {error}") from None


def _told(reasons: Any) -> str:
    """The first few reasons with their places; empty for none."""
    lines = []
    for place, message in reasons:
        where = ".".join(map(str, place))
        line = f"{where}: {message}" if where else message
        lines.append(line if len(line) <= LONG else f"{line[:LONG]}...")
        if len(lines) == SHOWN:
            break
    return "; ".join(lines)


def _readings(answer: str, field: str | None) -> Iterator[str]:
    """What an answer may be as JSON text, the likeliest first."""
    fenced = _FENCED.findall(answer)
    text = fenced[0] if len(fenced) == 1 else answer.strip()
    yield text
    try:
        value = from_json(text, allow_inf_nan=False)
        if field is not None and not isinstance(value, dict):
            yield json.dumps({field: value})
    except ValueError:  # plain words
        value = None
    if text and not text.startswith(_STRUCTURED):
        if field is not None:
            yield json.dumps({field: text})
        yield json.dumps(text)


def _only_field(schema: Mapping[str, Any]) -> str | None:
    """The name of the field, where an object has one and no more."""
    fields = schema.get("properties")
    if not isinstance(fields, Mapping) or len(fields) != 1:
        return None
    (name,) = fields
    return name if isinstance(name, str) else None
