"""One question with what was answered and what that is worth: a line of an evaluation that is kept."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from foveal.evals.boxes import XYXY
from foveal.evals.score import Verdict
from foveal.graphs.result import Result


class Frozen(BaseModel):
    """What reports are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Scored(Frozen):
    """One question, what was answered, and what that is worth."""

    scene: int
    family: str
    question: str
    truth: str
    result: Result[Any]
    verdict: Verdict
    size: tuple[int, int] = (0, 0)
    """Width and height of the picture."""
    targets: tuple[XYXY, ...] = ()
    """The boxes of the things that the answer rests on, half-open, in pixels."""
    judged: tuple[bool | None, ...] = ()
    """For each hop whether what came back was true; None where the truth about the scene does not say."""
    cold: bool = False
    """Whether networks were loaded meanwhile: its time says nothing about the next."""
    waiting: tuple[int, ...] = ()
    """Scenes that waited for another turn when this one was asked about."""

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.verdict == "right"
