"""How a model is spoken to: each family of checkpoints was trained on words of its own."""

from collections.abc import Sequence
from typing import Protocol

from foveal.agent.transcript import Asked, Injected
from foveal.agent.wording import Piece


class Dialect(Protocol):
    """From a transcript to the text around a model's visual tokens, and from its answer to the user's."""

    @property
    def instructed(self) -> bool:
        """Whether its models follow instructions in other words than these."""

    @property
    def images(self) -> int:
        """How many images a question to its models may come with, at most."""

    def opening(self, asked: Asked) -> tuple[str, str]:
        """What stands before and after the image's visual tokens, up to the model's first turn."""

    def reply(self, items: Sequence[Injected], asked: Asked) -> list[Piece]:
        """What the model is told after a turn, up to its next turn, with what it was asked in this dialogue."""

    def answered(self, text: str) -> str:
        """The answer as the user sees it."""

    def may_drop(self, text: str) -> bool:
        """Whether a turn that begins so may go on to something that `answered` takes away."""
