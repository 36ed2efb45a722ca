"""A conversation in a model's own chat template, of which only what is new has to be computed.

A turn's prompt is compared with the one before: where it begins with it and with what the model has said since,
the rest is what is new. White space is not compared: templates set the words of the past with other spaces than
the place where a turn is to be written. A template that changes anything else (drops thoughts, say) has rewritten
history, and the whole prompt is new.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Part = str | Pixels
"""Words, or a picture (height, width, 3)."""
Message = dict[str, Any]
Render = Callable[[Sequence[Message]], str]
"""Messages to the prompt for the next turn. Raises whatever the template does."""


@dataclass(frozen=True)
class Addition:
    """What is to be computed before the next turn."""

    text: str
    pictures: tuple[Pixels, ...]
    begins: bool = False
    """It is everything, from the first word: what was computed before is worthless."""


class Conversation:
    """Messages so far, and the prompt that they make."""

    def __init__(self, render: Render, plain: Callable[[str], str]) -> None:
        """`plain` spells words so that none of them is a special token."""
        self._render, self._plain = render, plain
        self._messages: list[Message] = []
        self._pictures: list[Pixels] = []
        self.prompt = ""
        """For the next turn, with one placeholder per picture."""

    @property
    def whole(self) -> Addition:
        """Everything."""
        return Addition(self.prompt, tuple(self._pictures), begins=True)

    def open(self, system: str, parts: Sequence[Part]) -> Addition:
        """The first prompt: what to do, then the question with its picture."""
        told = self._content(parts)
        rules = {"type": "text", "text": self._plain(system)}
        self._messages = [_message("system", [rules]), _message("user", told)]
        prompt = self._tried(self._messages)
        if (
            prompt is None or rules["text"].strip() not in prompt
        ):  # no role of that name, or a silent one
            separate = {"type": "text", "text": rules["text"] + "\n\n"}
            self._messages = [_message("user", [separate, *told])]
            prompt = self._render(self._messages)
        self.prompt = prompt
        return self.whole

    def reply(self, said: str, parts: Sequence[Part]) -> Addition:
        """What follows a turn in which the model said something."""
        count = len(self._pictures)
        words = self._plain(said).strip()
        before = self.prompt
        self._messages += [
            _message("assistant", [{"type": "text", "text": words}]),
            _message("user", self._content(parts)),
        ]
        self.prompt = self._render(self._messages)
        rest = after(before + words, self.prompt)
        if rest is None:
            return self.whole
        return Addition(rest, tuple(self._pictures[count:]))

    def _tried(self, messages: Sequence[Message]) -> str | None:
        from jinja2 import TemplateError

        try:
            return self._render(messages)
        except (TemplateError, TypeError):  # some add words to what they take for words
            return None

    def _content(self, parts: Sequence[Part]) -> list[Message]:
        content: list[Message] = []
        for part in parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": self._plain(part)})
            else:
                self._pictures.append(part)
                content.append({"type": "image"})
        return content


def after(beginning: str, whole: str) -> str | None:
    """What follows a beginning, white space aside; None when `whole` does not begin like that."""
    if whole.startswith(beginning):
        return whole[len(beginning) :]
    place = 0
    for letter in beginning:
        if letter.isspace():
            continue
        while place < len(whole) and whole[place].isspace():
            place += 1
        if whole[place : place + 1] != letter:
            return None
        place += 1
    return whole[place:]


def _message(role: str, content: list[Message]) -> Message:
    return {"role": role, "content": content}
