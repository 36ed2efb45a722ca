"""A transcript as a native model reads it: ChatML text with views where their visual tokens belong."""

from collections.abc import Sequence
from dataclasses import dataclass

from foveal.agent.actions import Action, Detect
from foveal.agent.observations import Detected, Observation, Reencoded
from foveal.agent.phrases import match
from foveal.agent.transcript import Asked, Injected, Noted, Observed
from foveal.agent.wording import Piece, extremes, plain, told

END = "<|im_end|>"
USER = "<|im_start|>user\n"
ASSISTANT = f"{END}\n<|im_start|>assistant\n"
STRAY = "detector failed: none of it was asked for"
"""What a model is told in place of a list that answers another request, as a detector's may."""


@dataclass(frozen=True)
class Foveal:
    """The dialect of the embedded weights, and of all that `agent train` makes."""

    system: str
    """The system prompt; it may name `{tools}`."""
    instructed: bool = False
    """The small models that speak it know these words alone."""
    images: int = 1
    """They were trained on one image a question, and have no token for the number of another."""

    def opening(self, asked: Asked) -> tuple[str, str]:
        """See `opening`."""
        return opening(asked, self.system)

    def reply(self, items: Sequence[Injected], asked: Asked) -> list[Piece]:
        """See `reply`."""
        return reply(items, asked)

    def answered(self, text: str) -> str:
        """The text: this dialect adds nothing to an answer."""
        return text

    def may_drop(self, text: str) -> bool:
        """Never."""
        return False


def opening(asked: Asked, system: str) -> tuple[str, str]:
    """What stands before and after the image's visual tokens, up to the model's first turn.

    `system` may name `{tools}`, which becomes the kinds of action the run allows, or "none".
    """
    tools = " ".join(asked.tools) or "none"
    before = f"<|im_start|>system\n{system.replace('{tools}', tools)}{END}\n{USER}"
    return before, f"{plain(asked.question)}{ASSISTANT}"


def reply(items: Sequence[Injected], asked: Asked) -> list[Piece]:
    """What the model is told after a turn, up to its next turn."""
    pieces: list[Piece] = [f"{END}\n{USER}"]
    for number, item in enumerate(items):
        if number:
            pieces.append("\n")
        pieces += [_noted(item)] if isinstance(item, Noted) else _answer(item, asked.size)
    seen = [item.observation for item in items if isinstance(item, Observed)]
    return [*pieces, *extremes(seen, asked.size), *_reminder(seen, asked), ASSISTANT]


def _answer(item: Observed, size: tuple[int, int]) -> list[Piece]:
    """What was observed; not what answers another request, which a small model would take for its own."""
    astray = _astray(item.action, item.observation)
    return [f"error {STRAY}"] if astray else told(item.observation, size)


def _astray(action: Action, seen: Observation) -> bool:
    """Whether something was detected and none of it is what the action asked for."""
    if not isinstance(action, Detect) or not isinstance(seen, Detected) or not seen.objects:
        return False
    return not match(action.phrase, [found.label for found in seen.objects]).classes


def _reminder(seen: Sequence[Observation], asked: Asked) -> list[Piece]:
    """The question once more behind a re-encoded image: it can attend to what came before, the first could not."""
    again = any(isinstance(one, Reencoded) for one in seen)
    return [f"\n{plain(asked.question)}"] if again else []


def _noted(note: Noted) -> str:
    return f"error {plain(note.text)}" if note.error else plain(note.text)
