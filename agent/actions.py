"""What the model may do: seven actions, one frozen model each, told apart by `kind`."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from foveal.agent.errors import ActionError

GRID = 8
"""Regions are given on a GRID x GRID raster of equal cells over the original image."""

MAX_OBJECTS = 16
"""Objects found in one run are numbered 1 to MAX_OBJECTS; the rest are counted but not listed."""

MAX_TARGETS = 8
"""A depth action may compare at most this many targets."""

MAX_IMAGES = 16
"""A question may come with at most this many images."""


def image_missing(number: int, count: int) -> ActionError:
    """What a model is told that names an image which a question of so many does not have."""
    came = f"{count} images" if count > 1 else "one"
    return ActionError(f"there is no image {number}; the question came with {came}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Cell = Annotated[int, Field(ge=0, lt=GRID)]


class Region(_Frozen):
    """A rectangle of grid cells; both corners are inside it."""

    kind: Literal["region"] = "region"
    x0: Cell
    y0: Cell
    x1: Cell
    y1: Cell

    @model_validator(mode="after")
    def _ordered(self) -> "Region":
        if self.x1 < self.x0 or self.y1 < self.y0:
            raise ValueError(f"region corners out of order: {self.x0, self.y0, self.x1, self.y1}")
        return self


class Object(_Frozen):
    """Something already found in this run, by its number."""

    kind: Literal["object"] = "object"
    index: Annotated[int, Field(ge=1, le=MAX_OBJECTS)]


Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Area(_Frozen):
    """A rectangle in fractions of the original image's width and height; right and bottom are outside.

    What models that ground in pixels point at: the grid of a Region is too coarse for them.
    """

    kind: Literal["area"] = "area"
    x0: Fraction
    y0: Fraction
    x1: Fraction
    y1: Fraction

    @model_validator(mode="after")
    def _has_extent(self) -> "Area":
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(f"an area has no extent: {self.x0, self.y0, self.x1, self.y1}")
        return self


Target = Annotated[Region | Object | Area, Field(discriminator="kind")]

Encoder = Literal["clip", "detection", "seg"]
"""The re-encoders of the Visual Perception Token paper: Qwen's own ViT, DINOv2, SAM."""


def _unsaid(value: object) -> bool:
    return value is None


Picked = Annotated[int | None, Field(ge=1, le=MAX_IMAGES, exclude_if=_unsaid)]
"""The number of one of several images, from 1; None, which JSON leaves out, where that need not be said."""


class _Looking(_Frozen):
    """What a specialist executes, on one image."""

    image: Picked = None
    """Which of the question's images; None means the first, or the one in which the objects were found."""


class Look(_Looking):
    """See one region, object or area again, cropped from the original image."""

    kind: Literal["look"] = "look"
    target: Target


class Reencode(_Looking):
    """See the whole image again through another encoder."""

    kind: Literal["reencode"] = "reencode"
    encoder: Encoder


def sound(text: str) -> str:
    """The text, a question mark for each half of a surrogate pair: JSON can spell it, and nothing can write it."""
    return text.encode("utf-8", "replace").decode("utf-8")


Text = Annotated[str, AfterValidator(sound)]
"""Text that can be written to a file, a terminal or another process."""


def _plain(phrase: str) -> str:
    if "<|" in phrase:
        raise ValueError("a phrase is plain words, without '<|'")
    return phrase


Phrase = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_plain),
]
"""A noun phrase, as it can stand between two special tokens."""


class Detect(_Looking):
    """Find everything that fits a phrase; several phrases are separated by " . "."""

    kind: Literal["detect"] = "detect"
    phrase: Phrase


class Segment(_Looking):
    """Outline one region, object or area."""

    kind: Literal["segment"] = "segment"
    target: Target


class Depth(_Looking):
    """Estimate how far the targets are, or the whole image when there are none."""

    kind: Literal["depth"] = "depth"
    targets: Annotated[tuple[Target, ...], Field(max_length=MAX_TARGETS)] = ()


class Read(_Looking):
    """Read the text in a region or an area, on an object, or anywhere in the image."""

    kind: Literal["read"] = "read"
    target: Target | None = Field(default=None)


class Answer(_Frozen):
    """Say something to the user; ends the run."""

    kind: Literal["answer"] = "answer"
    text: Text


Action = Annotated[
    Look | Reencode | Detect | Segment | Depth | Read | Answer, Field(discriminator="kind")
]
Perception = Look | Reencode | Detect | Segment | Depth | Read
"""Every action that a specialist executes."""

PerceptionKind = Literal["look", "reencode", "detect", "segment", "depth", "read"]
PERCEPTIONS: tuple[PerceptionKind, ...] = (
    "look", "reencode", "detect", "segment", "depth", "read",
)  # fmt: skip


def targets_of(action: Perception) -> tuple[Target, ...]:
    """The regions, objects and areas that an action refers to, in the order written."""
    if isinstance(action, Depth):
        return action.targets
    if isinstance(action, Look | Segment):
        return (action.target,)
    if isinstance(action, Read) and action.target is not None:
        return (action.target,)
    return ()
