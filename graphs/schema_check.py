"""Values against a JSON schema, by jsonschema; nothing outside the schema is fetched."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from foveal.agent.errors import InputError

Place = tuple[str | int, ...]
Check = Callable[[Any], Iterable[tuple[Place, str]]]
"""From a value to what is wrong with it, and where."""


def checker(schema: Mapping[str, Any]) -> Check:
    """What holds values to a JSON schema. Raises InputError when it is no schema, or refers to others."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from referencing.jsonschema import EMPTY_REGISTRY

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        place = f" at {where}" if where else ""
        raise InputError(f"this is no JSON schema{place}: {error.message}") from None
    validator = kind(schema, registry=EMPTY_REGISTRY)
    _must_be_closed(schema)
    _must_end(validator)
    return lambda value: _errors(validator, value)


def _errors(validator: Any, value: Any) -> Iterator[tuple[Place, str]]:
    try:
        for error in validator.iter_errors(value):
            yield tuple(error.absolute_path), error.message
    except RecursionError:
        yield (), "it is nested too deeply"


def _references(part: Any) -> Iterator[str]:
    """Every `$ref` in a schema."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _references(value)


def _must_be_closed(schema: Mapping[str, Any]) -> None:
    """Raises InputError for a reference to something that is not in the schema."""
    from referencing import Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = EMPTY_REGISTRY.resolver_with_root(resource)
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise InputError(
                f"the schema refers to {reference!r}, which is not in it; put it under $defs"
            ) from None


def _must_end(validator: Any) -> None:
    try:
        validator.is_valid(None)
    except RecursionError:
        raise InputError("the schema refers to itself without end") from None
