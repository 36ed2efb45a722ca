"""What the world answers: one frozen model per kind of reply, and what it points at.

Boxes are xyxy in pixels, half-open, and always name the image they are measured in. Nothing here holds
pixels: pictures, masks and features live in a store, under the keys named here.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from foveal.agent.actions import Encoder

# How many threads computed a number changes its last digits, and the carriers differ in threads. What is
# told, traced and compared is rounded far above that and far below what anybody can see.
Pixels = Annotated[FiniteFloat, AfterValidator(lambda value: round(value, 1))]
"""A coordinate, to a tenth of a pixel."""
Share = Annotated[float, AfterValidator(lambda value: round(value, 3))]
"""A score, depth or share of one, to a thousandth."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(_Frozen):
    """A rectangle in one image."""

    image: str
    """Content hash of the image whose pixels the numbers count."""
    xyxy: tuple[Pixels, Pixels, Pixels, Pixels]
    """Left, top, right, bottom in pixels; right and bottom are outside."""

    @model_validator(mode="after")
    def _has_area(self) -> "Box":
        x0, y0, x1, y1 = self.xyxy
        if not (x1 > x0 and y1 > y0):
            raise ValueError(f"box {self.xyxy} has no area; expected x0 < x1 and y0 < y1")
        return self

    @property
    def area(self) -> float:
        """Square pixels."""
        x0, y0, x1, y1 = self.xyxy
        return (x1 - x0) * (y1 - y0)


class VisualTokens(_Frozen):
    """A picture as an encoder saw it, kept in the store.

    Of the model's own tower these are tokens in its embedding space. A re-encoding's are the encoder's features as
    they are, (256, 1024) of DINOv2 or (256, 64, 64) of SAM; the model's projector makes `count` tokens of them.
    """

    key: str
    """Store key of a float array: (tokens, hidden), or an encoder's features."""
    grid: tuple[int, int, int]
    """Frames, rows and columns of patches before the 2 x 2 merge, as Qwen2-VL counts them, for `count` tokens."""

    @property
    def count(self) -> int:
        """Tokens after the merge, or after the projector."""
        frames, rows, columns = self.grid
        return frames * rows * columns // 4


class View(_Frozen):
    """A picture shown to the model."""

    role: Literal["crop", "mask", "depth", "whole"]
    pixels: Box
    """Which pixels are shown: of the original image, or of a derived picture in the store."""
    source: Box
    """The part of the original image that it shows."""
    tokens: VisualTokens | None = None
    """Set once an encoder has seen it; None for models that take pictures instead."""


class Found(_Frozen):
    """One detected object."""

    index: int = 0
    """Its number in this run, from 1; 0 until numbered or when it is past the last number."""
    label: str
    box: Box
    score: Share


class Detected(_Frozen):
    """Objects that fit a phrase, left to right."""

    kind: Literal["detected"] = "detected"
    phrase: str
    objects: tuple[Found, ...] = ()
    unknown: tuple[str, ...] = ()
    """Phrases that the detector has no class for: nothing found then means nothing."""
    views: tuple[View, ...] = ()


class Segmented(_Frozen):
    """The outline of one target."""

    kind: Literal["segmented"] = "segmented"
    index: int = 0
    """The object's number, or 0 for a region."""
    label: str = ""
    box: Box
    """Tight box around the mask."""
    area: int
    """Pixels in the mask."""
    share: float
    """Mask pixels divided by the image's pixels."""
    centroid: tuple[Pixels, Pixels]
    """x, y in pixels of the original image."""
    mask: str = ""
    """Store key of a bool array of the original image's (height, width)."""
    views: tuple[View, ...] = ()


class Range(_Frozen):
    """How far one target is."""

    index: int = 0
    label: str = ""
    box: Box
    depth: Share
    """Relative: 0 is the nearest and 1 the farthest pixel of the image."""


def _empty(value: object) -> bool:
    return value == ""


class Ranged(_Frozen):
    """Relative depth of the targets, nearest first."""

    kind: Literal["ranged"] = "ranged"
    ranges: tuple[Range, ...] = ()
    map: Annotated[str, Field(exclude_if=_empty)] = ""
    """Store key of the whole map: uint8 (rows, columns) over the original image, 255 where it is nearest."""
    views: tuple[View, ...] = ()


class Line(_Frozen):
    """One line of text."""

    text: str
    box: Box
    score: Share


class Recognised(_Frozen):
    """Text that was read, top to bottom."""

    kind: Literal["recognised"] = "recognised"
    lines: tuple[Line, ...] = ()


class Looked(_Frozen):
    """A closer look at part of the image."""

    kind: Literal["looked"] = "looked"
    index: int = 0
    label: str = ""
    views: tuple[View, ...] = ()


class Reencoded(_Frozen):
    """The whole image through another encoder, in one view or in quarters."""

    kind: Literal["reencoded"] = "reencoded"
    encoder: Encoder
    views: tuple[View, ...] = ()


class Failed(_Frozen):
    """Nothing came back; the model is told why."""

    kind: Literal["failed"] = "failed"
    error: Literal["action", "specialist"]
    message: str


Observation = Annotated[
    Detected | Segmented | Ranged | Recognised | Looked | Reencoded | Failed,
    Field(discriminator="kind"),
]
