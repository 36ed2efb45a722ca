"""Which tokens a chat model may write next, so that a malformed action cannot be sampled.

The grammar's table becomes a regular expression, and llguidance says which sub-word tokens keep a turn inside
it. Of the libraries for that it is alive, MIT-licensed, ships one wheel for every Python since 3.10 and needs no
other package, while xgrammar brings tvm's runtime and outlines-core had no release for most of a year; vLLM,
SGLang and llama.cpp can use it, too.

One thing is no regular language: that a box has an extent. `Boxes` looks at the numbers themselves.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import PerceptionKind
from foveal.agent.coordinates import Frame
from foveal.agent.errors import ActionError
from foveal.agent.grammar import FORMS, IMAGE_TOKENS, OBJECT_TOKENS, Form
from foveal.agent.schema_mask import STYLE

ACTIONS = 8
"""Actions in one turn, at most: small models repeat themselves."""
PHRASE = 80
"""Characters that a phrase may have."""
_WORD = r"(?:[^<]|<+[^<|])"
"""A piece of plain text: anything in which no special token can begin."""
_VISIBLE = r"(?:[^<\s]|<+[^<|])"
_NAMED = re.compile(r"<\|img_(\d+)\|>")
_OPEN = re.compile(r"<\|(\w+)_start\|>((?:(?!<\|\w+_(?:start|end)\|>).)*)$", re.DOTALL)


def turns(
    tools: Iterable[PerceptionKind],
    found: Collection[int],
    largest: int,
    others: Sequence[Collection[int]] = (),
) -> str:
    """A regular expression for every turn there is: plain text, or actions with text before them.

    `found` are the numbers of the objects that may be named, `largest` is the largest number in a box. Where there
    are several images, `found` are those in the first and `others` those in each of the others.
    """
    text = rf"\s{{0,4}}{_VISIBLE}{_WORD}*"
    kinds = frozenset(tools)
    box, groups = _box(len(str(largest))), [_objects(each) for each in (found, *others)]
    forms = [_form(form, box, groups) for form in FORMS if form.kind in kinds and _spelled(form)]
    if not forms:
        return f"{text}<*"
    action = f"(?:{'|'.join(forms)})"
    return rf"{text}<*|(?:{text})?<*{action}(?:\n?{action}){{0,{ACTIONS - 1}}}"


def _spelled(form: Form) -> bool:
    """Whether models without perception tokens use it: cell tokens are not for them."""
    return form.text or form.objects or bool(form.fixed)


def _box(digits: int) -> str:
    number = rf"(?:0|[1-9][0-9]{{0,{digits - 1}}})"
    return rf"\[{number}, ?{number}, ?{number}, ?{number}\]"


def _objects(found: Collection[int]) -> list[str]:
    return [re.escape(OBJECT_TOKENS[index - 1]) for index in sorted(found)]


def _any(ways: Iterable[str]) -> str:
    return f"(?:{'|'.join(ways)})"


def _form(form: Form, box: str, groups: Sequence[list[str]]) -> str:
    """An action; `groups` are the objects in each image."""
    names = [re.escape(token) for token in IMAGE_TOKENS[: len(groups)]] if len(groups) > 1 else []
    if form.text:
        inside = rf"[^<\s\x00-\x1f\x7f][^<\x00-\x1f\x7f]{{0,{PHRASE - 1}}}"
    elif form.fixed:
        inside = re.escape(form.fixed)
    else:
        return f"{re.escape(form.start)}{_targets(form, box, groups, names)}{re.escape(form.end)}"
    image = f"{_any(names)}?" if names else ""
    return f"{re.escape(form.start)}{image}{inside}{re.escape(form.end)}"


def _targets(form: Form, box: str, groups: Sequence[list[str]], names: Sequence[str]) -> str:
    """Targets in one image: in the first, in one that is named, or objects that are all in another."""
    count = f"{{{form.least},{form.most}}}"
    ways = [f"{_any([box, *groups[0]])}{count}"]
    ways += [f"{_any(group)}{{1,{form.most}}}" for group in groups[1:] if group]
    ways += [
        f"{name}{_any([box, *group])}{count}" for name, group in zip(names, groups, strict=False)
    ]
    return _any(ways) if len(ways) > 1 else ways[0]


class Boxes:
    """Whether the boxes in a turn can be used, as far as they are written."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def fit(self, text: str) -> bool:
        """Whether every box of the action that `text` ends in is one, or can still become one."""
        action = _OPEN.search(text)
        if action is None or action[1] == "detect":
            return True
        image = _NAMED.match(action[2])
        frame = self._frame.of(int(image[1]) if image else None)
        boxes = (box.partition("]") for box in action[2].split("[")[1:])
        return all(_may(frame, numbers.split(","), bool(end)) for numbers, end, _ in boxes)


def _may(frame: Frame, numbers: Sequence[str], closed: bool) -> bool:
    """Each number of a box stands by itself but the last, which may still grow unless the box is closed."""
    known = [int(number) for number in numbers[:-1]]
    if not all(_stands(frame, known[: n + 1]) for n in range(len(known))):
        return False
    last = numbers[-1].strip()
    if not last:
        return not closed
    grown = range(10 * int(last), 10 * int(last) + 10) if int(last) and not closed else ()
    return any(_stands(frame, [*known, number]) for number in (int(last), *grown))


def _stands(frame: Frame, numbers: Sequence[int]) -> bool:
    """Whether a box may begin with these numbers."""
    if numbers[-1] > frame.limits[(len(numbers) - 1) % 2]:
        return False
    if len(numbers) < 4:
        inside = frame.convention == "grid"
        return inside or len(numbers) < 3 or numbers[2] != numbers[0]
    try:
        frame.target(numbers)
    except ActionError:
        return False
    return True


class Mask:
    """One turn's way through a grammar."""

    def __init__(self, matcher: Any, size: int, ends: Collection[int]) -> None:
        self._matcher, self._size, self._ends = matcher, size, [*ends]

    def allowed(self) -> NDArray[np.bool_]:
        """For every id whether it may come next; all that end a turn where one does."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        may = np.unpackbits(bits, bitorder="little")[: self._size].astype(np.bool_)
        may[self._ends] = may[self._ends].any()
        return may

    def take(self, token: int) -> None:
        """It came. Raises ValueError when it may not."""
        if not self._matcher.consume_token(token):
            raise ValueError(f"token {token} may not come here: {self._matcher.get_error()}")


class Masks:
    """Masks for one tokenizer, which is read once."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        """`tokenizer` is a transformers fast tokenizer; `ends` are the tokens that end a turn."""
        from llguidance.hf import from_tokenizer

        self.ends = frozenset(ends)
        self._tokenizer = from_tokenizer(tokenizer, eos_token=sorted(self.ends))
        self.size = int(self._tokenizer.vocab_size)
        """How many ids there are."""

    def bytes_of(self, token: int) -> bytes:
        """What a token spells; nothing for one that ends a turn."""
        return b"" if token in self.ends else bytes(self._tokenizer.decode_bytes([token]))

    def turn(
        self,
        tools: Iterable[PerceptionKind],
        found: Collection[int],
        largest: int,
        others: Sequence[Collection[int]] = (),
    ) -> Mask:
        """For a turn as `turns` describes it."""
        from llguidance import LLMatcher

        return self._made(LLMatcher.grammar_from_regex(turns(tools, found, largest, others)))

    def json(self, schema: Mapping[str, Any]) -> Mask | None:
        """For JSON that fits a schema; None for a schema that cannot be compiled."""
        from llguidance import LLMatcher

        try:
            return self._made(
                LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=STYLE)
            )
        except ValueError:
            return None

    def _made(self, grammar: str) -> Mask:
        from llguidance import LLMatcher

        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise ValueError(f"the grammar cannot be used: {matcher.get_error()}")
        return Mask(matcher, self.size, self.ends)
