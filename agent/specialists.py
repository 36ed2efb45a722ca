"""Specialists that other packages bring: which of them a profile chooses, and in whose place."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.settings import settings

GROUP = "foveal.specialists"
"""The entry-point group under which packages offer specialists: a name, and what makes one."""
Place = Literal["detector", "segmenter", "depth", "reader"]
"""The specialists that can be replaced. The encoder cannot: what it makes only its own model understands."""
KINDS: Mapping[Place, PerceptionKind] = {
    "detector": "detect",
    "segmenter": "segment",
    "depth": "depth",
    "reader": "read",
}
"""The action that the one in each place answers."""


class Chosen(BaseModel):
    """One choice. Whatever else stands beside `use` is passed on when the specialist is made."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: Annotated[str, Field(min_length=1)]
    """The name under which it is offered, or package:name where several packages offer that."""

    @property
    def options(self) -> dict[str, Any]:
        """What is passed on, by name."""
        return dict(self.model_extra or {})


def _spelled_out(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


Choices = dict[Place, Annotated[Chosen, BeforeValidator(_spelled_out)]]
"""By place; those not named are the profile's own."""


def chosen(pairs: Iterable[str]) -> Choices:
    """Choices from pairs such as `detector=mine`. Raises InputError for one that cannot be used."""
    values = {}
    for pair in pairs:
        place, equals, name = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise InputError(f"specialist {pair!r} is not like detector=NAME")
        if place not in get_args(Place):
            known = ", ".join(get_args(Place))
            raise InputError(f"specialist {pair!r}: no place {place!r}; known: {known}")
        values[place] = name
    return checked(values)


def checked(values: Mapping[str, object]) -> Choices:
    """Choices from names or mappings by place. Raises InputError for any that cannot be used."""
    try:
        return TypeAdapter(Choices).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"specialists, {where}: {first['msg']}; known: {', '.join(KINDS)}"
        ) from None


def preferred() -> Choices:
    """What the settings choose for profiles that choose nothing."""
    return chosen(pair for pair in settings().specialists.split(",") if pair.strip())
