"""What the tools take and give back, as clients see it: pydantic models, of which the schemas are made.

All coordinates are pixels of the original image. Named sides and no tuples: models mix up the order of four bare
numbers, and not every client's schema validator knows what a tuple is.
"""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sides(_Frozen):
    """A rectangle in pixels of the original image; right and bottom are outside it."""

    left: FiniteFloat
    top: FiniteFloat
    right: FiniteFloat
    bottom: FiniteFloat

    @model_validator(mode="after")
    def _has_extent(self) -> Self:
        if not (self.right > self.left and self.bottom > self.top):
            raise ValueError("left must be smaller than right, and top smaller than bottom")
        return self

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom


class Spot(_Frozen):
    """A point in pixels of the original image."""

    x: FiniteFloat
    y: FiniteFloat


class OfImage(_Frozen):
    """What every answer says of the image."""

    width: int
    """Of the original image, in pixels."""
    height: int


Score = Annotated[float | None, Field(description="How sure the specialist is, from 0 to 1.")]


class Proof(_Frozen):
    """A part of the image that an answer rests on."""

    label: str
    box: Sides
    score: Score
    action: str = Field(description="What brought it: look, detect, segment, depth or read.")


class Answered(OfImage):
    """An answer and what it rests on."""

    answer: str = Field(description="Empty when there is none; the notes then say why.")
    confidence: float | None = Field(description="From 0 to 1; null when the model gives none.")
    value: Any = Field(description="The answer as the given schema has it; null without a schema.")
    evidence: list[Proof] = Field(description="In the order of the numbers in the first picture.")
    notes: list[str] = Field(description="What limits the answer, or went wrong on the way.")
    hops: int = Field(description="How often it looked again.")
    ended_by: str = Field(description="answer, gate, or the budget that ran out.")
    run: str = Field(description="The run's id.")


class Looked(OfImage):
    """A closer look."""

    box: Sides = Field(description="What the picture shows; small regions are widened.")


class Thing(_Frozen):
    """One object that was found."""

    label: str
    box: Sides
    score: float


class Found(OfImage):
    """Objects that fit a phrase, from left to right."""

    count: int
    objects: list[Thing]
    unknown: list[str] = Field(
        description="Phrases that the detector knows nothing of: that nothing was found then means nothing."
    )


class Outlined(OfImage):
    """The outline of one object."""

    box: Sides = Field(description="Tight around the outline.")
    area: int = Field(description="Pixels inside the outline.")
    share: float = Field(description="Area divided by the image's pixels.")
    centroid: Spot


class Far(_Frozen):
    """How far one region is."""

    region: int = Field(description="Which of the given regions, from 0.")
    box: Sides
    depth: float = Field(description="0 is the nearest and 1 the farthest pixel of the image.")


class Ranged(OfImage):
    """Relative depth; no distances in metres."""

    nearest_first: list[Far]


class Words(_Frozen):
    """One line of text."""

    text: str
    box: Sides
    score: float


class Text(OfImage):
    """The text that was read, from top to bottom."""

    text: str = Field(description="The lines, one below the other.")
    lines: list[Words]
