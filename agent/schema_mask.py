"""Which tokens may come next in JSON that fits a schema, for any byte-level tokenizer; llguidance knows.

What is not covered: keywords that llguidance does not know (`not`, `if`, `uniqueItems`) hold nobody back, and a
schema that it cannot compile has no mask. Whoever asked validates the answer anyway.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

STYLE: Any = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": True,
}
"""One line, spaced as models write it: one that may write any amount of space can go on for ever."""


class SchemaMask:
    """One answer's way through a schema."""

    def __init__(self, matcher: Any, usable: NDArray[np.bool_]) -> None:
        self._matcher, self._usable = matcher, usable

    def forced(self) -> list[int]:
        """Tokens that must come next, when there is no choice."""
        return [int(token) for token in self._matcher.compute_ff_tokens()]

    def allowed(self) -> NDArray[np.int64]:
        """Ids that may come next, the end of the turn among them where the JSON is complete.

        None at all when the library has given up.
        """
        if self._matcher.is_error():
            return np.empty(0, dtype=np.int64)
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        may = np.unpackbits(bits, bitorder="little")[: len(self._usable)].astype(np.bool_)
        return np.flatnonzero(may & self._usable)

    def take(self, tokens: list[int]) -> None:
        """These came."""
        self._matcher.consume_tokens(tokens)


class SchemaMasks:
    """Masks for one tokenizer, which is read once."""

    def __init__(self, tokenizer: Any, size: int, text: NDArray[np.integer[Any]], end: int) -> None:
        """`tokenizer` is a transformers fast tokenizer with `size` ids: `text` are words, `end` closes a turn."""
        from llguidance.hf import from_tokenizer

        self._tokenizer = from_tokenizer(tokenizer, n_vocab=size, eos_token=end)
        self._usable = np.zeros(size, dtype=np.bool_)
        self._usable[text] = self._usable[end] = True

    def of(self, schema: Mapping[str, Any]) -> SchemaMask | None:
        """A mask for one answer; None for a schema that cannot be compiled."""
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=STYLE)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        return None if matcher.is_error() else SchemaMask(matcher, self._usable)
