"""The arguments of a tool call: their strict JSON schemas, and how they become an action.

A server may hold a model to the schema, and may not. So what arrives is read leniently where it can mean one thing
only (an empty list for nothing), and refused with a reason that the model can act on elsewhere.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from foveal.agent.actions import (
    MAX_IMAGES,
    MAX_OBJECTS,
    MAX_TARGETS,
    Depth,
    Detect,
    Encoder,
    Look,
    Object,
    Perception,
    PerceptionKind,
    Phrase,
    Read,
    Reencode,
    Segment,
    Target,
    targets_of,
)
from foveal.agent.coordinates import UNITS, Convention, Frame, Size, framed
from foveal.agent.errors import ActionError

LONGEST = 100
"""Characters of a model's own words that are told back to it."""


def _nothing(value: object) -> object:
    """None for the ways in which models write that they give nothing."""
    empty: tuple[object, ...] = (0, "", "null", "none", [], {}, [0, 0, 0, 0])
    return None if type(value) is not bool and value in empty else value


Box = Annotated[
    list[float],
    Field(min_length=4, max_length=4),
    WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}),
]
Index = Annotated[int, Field(ge=1, le=MAX_OBJECTS)]
MaybeBox = Annotated[Box | None, BeforeValidator(_nothing)]
MaybeIndex = Annotated[Index | None, BeforeValidator(_nothing)]
MaybeImage = Annotated[Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None, BeforeValidator(_nothing)]


class Arguments(BaseModel):
    """Arguments of one kind of action; what need not be given is null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: MaybeImage = Field(
        None, description="Which image; null for the first, or for that of the objects"
    )


class Place(Arguments):
    """A part of the image or an object."""

    box: MaybeBox = Field(None, description="A part of the image")
    object: MaybeIndex = Field(None, description="Instead of a box, the number of an object found")


class Places(Arguments):
    """Parts of the image and objects."""

    boxes: Annotated[list[Box] | None, Field(max_length=MAX_TARGETS)] = Field(
        None, description="Parts of the image"
    )
    objects: Annotated[list[Index] | None, Field(max_length=MAX_TARGETS)] = Field(
        None, description="The numbers of objects found"
    )


class Words(Arguments):
    """The name of a kind of object."""

    phrase: Phrase = Field(description="The objects' name, as 'red cube'")


class Encoded(Arguments):
    """An encoder."""

    encoder: Encoder = Field(description="The model's own (clip), DINOv2 (detection) or SAM (seg)")


ARGUMENTS: dict[PerceptionKind, type[Arguments]] = {
    "look": Place,
    "reencode": Encoded,
    "detect": Words,
    "segment": Place,
    "depth": Places,
    "read": Place,
}
_KINDS: dict[str, PerceptionKind] = {kind: kind for kind in ARGUMENTS}


def parameters(kind: PerceptionKind, convention: Convention, images: int = 1) -> dict[str, Any]:
    """The strict JSON schema of an action's arguments, from the model that reads them.

    It has a place for the number of an image where the question comes with several.
    """
    schema = ARGUMENTS[kind].model_json_schema()
    fields = {name: _strict(field) for name, field in schema["properties"].items()}
    image = fields.pop("image")
    if images > 1:
        image["anyOf"][0]["maximum"] = images
        fields = {"image": image, **fields}
    for name in {"box", "boxes"} & fields.keys():
        fields[name]["description"] += f", [x0, y0, x1, y1] in {UNITS[convention]}"
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _strict(schema: Any) -> Any:
    """Without the keywords that strict schemas do not know."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = ("title", "default", "minLength", "maxLength")
    return {key: _strict(value) for key, value in schema.items() if key not in dropped}


def action_of(
    name: str,
    arguments: str | Mapping[str, Any],
    convention: Convention,
    size: Size,
    found: Collection[int],
    more: Sequence[Size] = (),
) -> Perception:
    """The action that a tool call asks for. `arguments` are JSON, or what it holds.

    `size` is the width and height of the image as the model was shown it, `more` are those of the images after
    the first; `found` are the numbers of the objects found so far.
    Raises ActionError, in words for the model, for whatever cannot be carried out.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise ActionError(f"there is no tool {_short(name)}; there are: {', '.join(_KINDS)}")
    try:
        given = ARGUMENTS[kind].model_validate(_read(arguments))
        frame = framed(convention, [(shown, shown) for shown in (size, *more)]).of(given.image)
        return _action(kind, given, frame, found).model_copy(update={"image": given.image})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        reason = first["msg"].removeprefix("Value error, ")
        raise ActionError(f"{name}, {_short(where)}: {reason}") from None
    except ActionError as error:
        raise ActionError(f"{name}: {error}") from None


def arguments_of(action: Perception, frame: Frame) -> dict[str, Any]:
    """The arguments of the call that asks for an action: what `action_of` makes it of again."""
    image = {"image": action.image} if frame.rest else {}
    return image | _arguments(action, frame.of(action.image))


def _arguments(action: Perception, frame: Frame) -> dict[str, Any]:
    if isinstance(action, Detect):
        return {"phrase": action.phrase}
    if isinstance(action, Reencode):
        return {"encoder": action.encoder}
    targets = targets_of(action)
    objects = [target.index for target in targets if isinstance(target, Object)]
    boxes = [json.loads(frame.spelled(one)) for one in targets if not isinstance(one, Object)]
    if isinstance(action, Depth):
        return {"boxes": boxes or None, "objects": objects or None}
    return {"box": next(iter(boxes), None), "object": next(iter(objects), None)}


def _read(arguments: str | Mapping[str, Any]) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        raise ActionError(f"its arguments are no JSON: {_short(arguments)}") from None


def _action(
    kind: PerceptionKind, given: Arguments, frame: Frame, found: Collection[int]
) -> Perception:
    if isinstance(given, Words):
        return Detect(phrase=given.phrase)
    if isinstance(given, Encoded):
        return Reencode(encoder=given.encoder)
    if isinstance(given, Places):
        return Depth(targets=_targets(given.boxes or (), given.objects or (), frame, found))
    if isinstance(given, Place):
        boxes = () if given.box is None else (given.box,)
        objects = () if given.object is None else (given.object,)
        return _placed(kind, _targets(boxes, objects, frame, found))
    raise TypeError(f"no action is made of {type(given).__name__}")


def _placed(kind: PerceptionKind, targets: tuple[Target, ...]) -> Perception:
    if kind == "read" and not targets:
        return Read()
    if len(targets) != 1:
        raise ActionError(f"it takes a box or an object, got {len(targets) or 'neither'}")
    if kind == "read":
        return Read(target=targets[0])
    return Look(target=targets[0]) if kind == "look" else Segment(target=targets[0])


def _targets(
    boxes: Sequence[Sequence[float]], objects: Sequence[int], frame: Frame, found: Collection[int]
) -> tuple[Target, ...]:
    return (*(frame.target(box) for box in boxes), *(_object(index, found) for index in objects))


def _object(index: int, found: Collection[int]) -> Object:
    if index not in found:
        known = f"found so far: {', '.join(map(str, sorted(found)))}" if found else "none was found"
        raise ActionError(f"there is no object {index}; {known}")
    return Object(index=index)


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "...")
