"""Turns as a benchmark needs them: they begin as prescribed and go on as text that never ends by itself."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from foveal.agent.actions import PerceptionKind
from foveal.agent.mask import Vocabulary

if TYPE_CHECKING:
    from foveal.agent.native.model import NativeModel


class Steered:
    """A model's vocabulary, with a script instead of a grammar."""

    def __init__(self, whole: Vocabulary) -> None:
        self.ids, self.end, self.size, self.text = whole.ids, whole.end, whole.size, whole.text
        self.spelling = whole.spelling
        self.script: list[int] = []
        """How every turn begins; after it comes any text, as long as the limit allows."""

    def allowed(
        self, turn: Sequence[int], tools: Iterable[PerceptionKind], objects: Iterable[int]
    ) -> tuple[list[int], bool]:
        """Ids of the named tokens that may follow a turn, and whether any text may."""
        if len(turn) < len(self.script):
            return [self.script[len(turn)]], False
        return [], True


def steered(model: "NativeModel") -> Steered:
    """Put the model under a script and return it."""
    script = Steered(model.vocabulary)
    model.vocabulary = script  # type: ignore[assignment]  # answers what a Vocabulary is asked
    return script
