"""What was said so far, and by whom: every item is `emitted` by the model or `injected` by us."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from foveal.agent.actions import MAX_IMAGES, MAX_OBJECTS, Action, PerceptionKind, Picked, Text
from foveal.agent.observations import Detected, Found, Observation


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Original(_Frozen):
    """An image that a question is about."""

    image: str
    """Its content hash."""
    size: tuple[int, int]
    """Its width and height in pixels."""


def _no_more(value: object) -> bool:
    return value == ()


class Asked(_Frozen):
    """The image, or several, and the question; always the first item."""

    kind: Literal["asked"] = "asked"
    by: Literal["injected"] = "injected"
    image: str
    """Content hash of the original image."""
    size: tuple[int, int]
    """Width and height of the original image in pixels."""
    more: Annotated[
        tuple[Original, ...], Field(max_length=MAX_IMAGES - 1, exclude_if=_no_more)
    ] = ()
    """The images after the first, where there are several."""
    question: Text
    tools: tuple[PerceptionKind, ...] = ()
    """The perception actions that this run allows."""
    answer_schema: str = ""
    """A JSON schema that the answer must fit, as JSON text; empty for an answer in any words."""

    @property
    def images(self) -> tuple[Original, ...]:
        """All of them, in order."""
        return (Original(image=self.image, size=self.size), *self.more)

    def picked(self, number: int | None) -> Original:
        """The image of this number, from 1; the first for None. Raises IndexError when there is none."""
        return self.images[(number or 1) - 1]

    def number_of(self, image: str) -> int:
        """The number of the image with this content hash; the first of them, if it was given twice."""
        return [one.image for one in self.images].index(image) + 1


class Acted(_Frozen):
    """One turn of the model, as it wrote it."""

    kind: Literal["acted"] = "acted"
    by: Literal["emitted"] = "emitted"
    text: Text
    """The turn with its special tokens spelled out, without the end-of-turn token."""
    tokens: tuple[int, ...] = ()
    """The token ids, when the model has any: replayed exactly when a session is rebuilt."""
    actions: tuple[Action, ...] = ()
    confidence: float | None = None
    """Probability, under the model, of the turn's least certain token; of an answer the chance that it is right,
    where that was measured (`agent/native/calibration.py`); None when the model gives none."""


class Observed(_Frozen):
    """What came back for one action."""

    kind: Literal["observed"] = "observed"
    by: Literal["injected"] = "injected"
    action: Action
    observation: Observation
    image: Picked = None
    """Which of several images was looked at; None when the question came with one."""


class Noted(_Frozen):
    """Something else that the model is told: a malformed action, a budget that ran out."""

    kind: Literal["noted"] = "noted"
    by: Literal["injected"] = "injected"
    text: Text
    error: bool = False
    """Whether it corrects the model; it is then told as a failure is."""


Item = Annotated[Asked | Acted | Observed | Noted, Field(discriminator="kind")]
Injected = Observed | Noted


def found_objects(items: Iterable[Asked | Acted | Observed | Noted]) -> dict[int, Found]:
    """Every numbered object of the run, by number."""
    return {
        found.index: found
        for item in items
        if isinstance(item, Observed) and isinstance(item.observation, Detected)
        for found in item.observation.objects
        if found.index
    }


def numbered(detected: Detected, taken: int) -> Detected:
    """The same detections, numbered from `taken` + 1; past MAX_OBJECTS they keep index 0."""
    objects = tuple(
        found.model_copy(update={"index": n if n <= MAX_OBJECTS else 0})
        for n, found in enumerate(detected.objects, start=taken + 1)
    )
    return detected.model_copy(update={"objects": objects})


def opening_of(transcript: Sequence[Asked | Acted | Observed | Noted]) -> Asked:
    """What a transcript begins with. Raises ValueError for one that begins with anything but the question."""
    first = transcript[0]
    if not isinstance(first, Asked):
        raise ValueError(f"a transcript starts with what was asked, not with {first.kind!r}")
    return first
