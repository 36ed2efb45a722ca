"""One turn as a server sends it: put together from its pieces, whichever interface they came through."""

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

_INLINE = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
"""A call that the server did not recognise as one: as Hermes and Qwen models write it in their text."""


@dataclass
class Call:
    """One tool call."""

    name: str = ""
    arguments: str = ""
    """JSON, or what the model wrote instead."""
    id: str = ""
    """As the server named it, if it did."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else the server wants to see again: Gemini signs its calls."""


@dataclass(frozen=True)
class Counts:
    """What a turn cost, as the server counts."""

    prompt: int = 0
    """Tokens of context, kept ones included."""
    cached: int = 0
    """Of those, the kept ones."""
    written: int = 0
    """Tokens decoded, thoughts included."""
    pictures: int = 0
    """Visual tokens of context; 0 from servers that do not tell them apart."""


@dataclass
class Reply:
    """A turn, complete once `finish` is set."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str = ""
    """Why it ended: stop, tool_calls, length; empty when it was cut off, or from a server that never says."""
    counts: Counts | None = None
    """None until the server tells; some never do."""
    thought: bool = False
    """The model thought before it spoke."""
    thoughts: list[dict[str, Any]] = field(default_factory=list)
    """Its thoughts as sealed by the server, to be sent back with the turn."""
    broken: str = ""
    """What broke it off, if something did."""
    pieces: int = 0
    """Parts in which it came: about one per token."""
    inline: bool = False
    """Its calls stand in its text."""
    lost: int = 0
    """Parts of an earlier try that was cut off."""
    _least: float | None = None
    _open: dict[int, Call] = field(default_factory=dict)

    def say(self, text: str, hear: Callable[[str], None]) -> None:
        """More text."""
        if text:
            self.text += text
            self.pieces += 1
            hear(text)

    def sure(self, logprobs: Iterable[float | None]) -> None:
        """The log probabilities of more tokens."""
        known = [value for value in logprobs if value is not None]
        if known:
            self._least = min([*known, *([] if self._least is None else [self._least])])

    def call(self, index: int | None, name: str, arguments: str, id: str) -> Call:
        """A call that begins or goes on.

        Some servers number all calls 0 and some none: another id, or another name after complete arguments, is
        another call whatever its number.
        """
        place = index or 0
        known = self._open.get(place)
        if known is None or _another(known, name, id):
            known = self._open[place] = Call()
            self.calls.append(known)
        known.id = known.id or id
        known.name = known.name or name
        known.arguments += arguments
        self.pieces += 1
        return known

    @property
    def confidence(self) -> float | None:
        """Probability of the least certain token; None when the server gives none."""
        return None if self._least is None else math.exp(min(0.0, self._least))

    @property
    def spent(self) -> Counts:
        """What it cost; where the server does not say, pieces stand for tokens."""
        counts = self.counts or Counts(written=self.pieces)
        return replace(counts, written=counts.written + self.lost)

    @property
    def empty(self) -> bool:
        """Whether the model has said nothing but perhaps its thoughts."""
        return not self.spoken and not self.calls

    @property
    def spoken(self) -> str:
        """The text without thoughts that the server left in it."""
        return self.text.rpartition("</think>")[2].strip()


def _another(known: Call, name: str, id: str) -> bool:
    if id and known.id:
        return id != known.id
    return bool(name and known.name) and _complete(known.arguments)


def _complete(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def with_inline_calls(reply: Reply) -> Reply:
    """The turn with the calls that stand in its text, where the server recognised none."""
    found = [] if reply.calls else [_inline(match) for match in _INLINE.findall(reply.spoken)]
    if found:
        reply.calls, reply.inline = found, True
    return reply


def without_inline_calls(text: str) -> str:
    """The text of a turn less the calls in it."""
    return _INLINE.sub("", text).strip() if _INLINE.search(text) else text


def _inline(text: str) -> Call:
    try:
        held = json.loads(text)
        return Call(str(held["name"]), json.dumps(held.get("arguments", {})))
    except (ValueError, KeyError, RecursionError):
        return Call("tool_call", text)
