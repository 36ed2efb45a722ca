"""One question of a batch, made from a row of whatever it was written in."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from foveal.agent.actions import MAX_IMAGES
from foveal.agent.errors import InputError
from foveal.tools import data_url
from foveal.tools.images import MAX_BYTES

COLUMNS = ("id", "image", "question", "answer")
"""What a row says to us; its other columns are carried to its result."""
ID_LENGTH = 16
"""Hexadecimal digits of an id that was made from a row's content."""

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")

Scalar = str | int | float
Picture = Path | str | bytes


@dataclass(frozen=True)
class Query:
    """One question, ready to be asked."""

    row: int
    """Its line or row in the source, from 1."""
    id: str
    """Empty as long as nobody gave it one."""
    image: Picture | tuple[Picture, ...]
    """The file, the URL or the encoded image itself; several in a tuple."""
    reference: str | tuple[str, ...]
    """The image as the source names it; for one that has no name, `sha256:` and the hash of its bytes."""
    question: str
    truths: tuple[str, ...] = ()
    """Right answers, any of which will do; none when the source gives none."""
    carried: Mapping[str, Any] | None = None
    """The row's other columns, in JSON types."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is no question."""

    row: int
    id: str
    reason: str


def _images(value: object) -> tuple[str | bytes, ...]:
    """One image, or a list of them."""
    given = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(given) <= MAX_IMAGES:
        raise ValueError(f"expected 1 to {MAX_IMAGES} images")
    return tuple(_image(one) for one in given)


def _image(value: object) -> str | bytes:
    """A path, a URL or bytes, also those in a data URL or in Hugging Face's `{"bytes": ..., "path": ...}`."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and data_url.named(value):
        return data_url.decoded(value, MAX_BYTES)
    if isinstance(value, str | bytes) and value:
        return value
    raise ValueError("expected a path, a URL or an image's bytes")


def _name(value: object) -> str | None:
    if value is None or (isinstance(value, str | int) and str(value).strip()):
        return None if value is None else str(value)
    raise ValueError("expected text or a whole number")


def _truths(value: object) -> tuple[str, ...]:
    """The right answers, given as one or as a list of them."""
    given = value if isinstance(value, list | tuple) else [value]
    if all(isinstance(each, Scalar | None) for each in given):
        return tuple(str(each) for each in given if each is not None)
    raise ValueError("expected text, a number, or a list of them")


class _Row(BaseModel):
    """A row after its columns have been given our names."""

    model_config = ConfigDict(frozen=True, extra="allow")

    image: Annotated[tuple[str | bytes, ...], BeforeValidator(_images)]
    question: Annotated[str, Field(pattern=r"\S")]
    id: Annotated[str | None, BeforeValidator(_name)] = None
    answer: Annotated[tuple[str, ...], BeforeValidator(_truths)] = ()


def query(number: int, values: Mapping[str, Any], base: Path) -> Query:
    """The question that a row asks; its image's path counts from `base`.

    Raises InputError with what is wrong with the row.
    """
    try:
        row = _Row.model_validate(values)
    except ValidationError as error:
        raise InputError(_complaint(error, values)) from None
    given = values["image"]
    several = isinstance(given, list | tuple)
    pairs = zip(given if several else [given], row.image, strict=True)
    names = tuple(_name_of(one, image) for one, image in pairs)
    images = tuple(_placed(image, base) for image in row.image)
    question = row.question.strip()
    return Query(
        number,
        row.id or "",
        images if several else images[0],
        names if several else names[0],
        question,
        row.answer,
        carried(row.model_extra or {}),
    )


def _placed(image: str | bytes, base: Path) -> Picture:
    """Where the image is: paths count from `base`."""
    return image if isinstance(image, bytes) or _URL.match(image) else base / image


def content_id(reference: str | tuple[str, ...], question: str) -> str:
    """The same for the same question about the same images, wherever its row stands."""
    text = json.dumps([reference, question]).encode("ascii")
    return hashlib.sha256(text).hexdigest()[:ID_LENGTH]


def carried(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns in JSON types; pictures and other bytes stay behind, and what is no number becomes null."""
    return {
        name: to_jsonable_python(value, inf_nan_mode="null", fallback=str)
        for name, value in values.items()
        if not _binary(value)
    }


def _binary(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_binary(part) for part in value.values())
    if isinstance(value, list):
        return any(_binary(part) for part in value)
    return isinstance(value, bytes)


def _name_of(given: object, image: str | bytes) -> str:
    """What to call an image: as its row does, or, where it came as bytes without a name, by its content."""
    if isinstance(image, str):
        return image
    name = given.get("path") if isinstance(given, Mapping) else None
    return str(name) if name else f"sha256:{hashlib.sha256(image).hexdigest()}"


def _complaint(error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "missing":
        has = ", ".join(map(repr, values)) or "nothing"
        return f"no column {name!r}; it has {has}; name another with --column {name}=COLUMN"
    shown = repr(first["input"])
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    wanted = "expected a question" if name == "question" else first["msg"]
    return f"{name} is {shown}: {wanted.removeprefix('Value error, ')}"
