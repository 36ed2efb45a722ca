"""How the released Visual Perception Token checkpoints are spoken to, to the token as they were trained.

Source: arXiv 2502.17425 and its public implementation. A region is answered with its crop and nothing else, a
re-encoding with the re-encoded image and nothing else; they know one round of either, and no list of tools.
What they were never told (both kinds in one turn, errors, notes) is said in the nearest words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from foveal.agent.dialogue import ASSISTANT, END, USER
from foveal.agent.observations import Failed, Looked, Observation, Reencoded, View
from foveal.agent.transcript import Asked, Injected, Noted
from foveal.agent.wording import Piece, Reseen, plain, told

SYSTEM = "You are a helpful assistant."
HANDOVER = "Now answer the question."
"""How the checkpoints begin the answer after a look."""

Trigger = Literal["none", "region", "reencode"]
TRIGGERS: dict[Trigger, str] = {
    "none": "",
    "region": "\nIdentify the region that can help you answer the question, and then answer the question.",
    "reencode": "\nRequire additional perception features, and then answer the question.",
}
"""What follows the question. Most checkpoints look again only when asked to; the free-choice one decides."""

_HANDOVER = re.compile(r"\s*Now answer the question(\.|:|\s*(?=\n|$))\s*")


@dataclass(frozen=True)
class Paper:
    """The dialect of the released checkpoints."""

    trigger: Trigger = "none"
    """Which perception the question asks for; "none" leaves it to the model."""
    instructed: bool = True
    """They are chat models that were tuned further."""
    images: int = 1
    """A region is four cells of the image: nothing says of which one."""

    def opening(self, asked: Asked) -> tuple[str, str]:
        """What stands before and after the image, up to the model's first turn."""
        before = f"<|im_start|>system\n{SYSTEM}{END}\n{USER}"
        return before, f"\n{plain(asked.question)}{TRIGGERS[self.trigger]}{ASSISTANT}"

    def reply(self, items: Sequence[Injected], asked: Asked) -> list[Piece]:
        """What the model is told after a turn, up to its next turn."""
        lines = [line for item in _worth_saying(items) for line in _lines(item, asked.size)]
        return [f"{END}\n{USER}", *_joined(lines), ASSISTANT]

    def answered(self, text: str) -> str:
        """The answer without the sentence that the model was trained to begin it with."""
        said = _HANDOVER.match(text)
        return text[said.end() :] if said else text

    def may_drop(self, text: str) -> bool:
        """While it may be the beginning of that sentence."""
        return HANDOVER.startswith(text.strip()) and bool(text)


def _worth_saying(items: Sequence[Injected]) -> list[Injected]:
    """Without the call to answer where something is shown: after a picture the model says that itself."""
    shown = any(not isinstance(item, Noted) and _shows(item.observation) for item in items)
    return [
        item for item in items if not (shown and isinstance(item, Noted) and item.text == HANDOVER)
    ]


def _shows(observation: Observation) -> bool:
    return isinstance(observation, Looked | Reencoded) and bool(observation.views)


def _lines(item: Injected, size: tuple[int, int]) -> list[list[Piece]]:
    """One line per picture or text of an item."""
    if isinstance(item, Noted):
        return [[plain(item.text)]]
    observation = item.observation
    if isinstance(observation, Looked):
        return [[view] for view in observation.views]
    if isinstance(observation, Reencoded):
        return [[Reseen(observation.encoder, view)] for view in observation.views]
    if isinstance(observation, Failed):
        return [[plain(observation.message)]]
    return [told(observation, size)]


def _joined(lines: list[list[Piece]]) -> list[Piece]:
    """Lines with breaks between them; several crops are numbered, and then every line ends with a break."""
    if sum(isinstance(line[0], View) for line in lines) < 2:
        return [piece for line in lines for piece in ("\n", *line)][1:]
    number = count()
    pieces: list[Piece] = []
    for line in lines:
        pieces += [f"Region {next(number)}: "] if isinstance(line[0], View) else []
        pieces += [*line, "\n"]
    return pieces
