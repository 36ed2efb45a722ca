"""One turn of a chat model as it is written: greedy, under a mask, with what it was least sure of."""

import math
from collections.abc import Callable
from threading import Event
from typing import Any

from foveal.agent.chat.mask import Boxes, Mask, Masks


class Turn:
    """Chooses tokens until the turn ends, from logits that somebody else computes."""

    def __init__(
        self,
        masks: Masks,
        mask: Mask,
        boxes: Boxes,
        limit: int,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        """At most `limit` tokens. `on_text` is called with new text as soon as its bytes are complete."""
        self._masks, self._mask, self._boxes = masks, mask, boxes
        self._on_text = on_text
        self.limit = limit
        self._bytes = b""
        self._told = 0
        self.stopped = Event()
        """When set, the turn ends before its next token."""
        self.tokens: list[int] = []
        self.confidence = 1.0
        """Probability of the least certain choice among those the grammar left open."""

    @property
    def end(self) -> int:
        """A token that ends the turn."""
        return min(self._masks.ends)

    @property
    def text(self) -> str:
        """What was written; half a character at the end becomes a replacement character."""
        return self._bytes.decode("utf-8", "replace")

    def next(self, logits: Any) -> int | None:
        """The likeliest token that may come next; None when the turn has ended. `logits` are (vocabulary,)."""
        if len(self.tokens) >= self.limit or self.stopped.is_set():
            return None
        token, probability = self._pick(logits)
        self.confidence = min(self.confidence, probability)
        if token in self._masks.ends:
            return None
        self._mask.take(token)
        self.tokens.append(token)
        self._bytes += self._masks.bytes_of(token)
        self._tell()
        return token

    def _pick(self, logits: Any) -> tuple[int, float]:
        """The token and its probability among those that may come."""
        import torch

        may = torch.from_numpy(self._mask.allowed()).to(logits.device)
        count = min(len(may), len(logits))  # padding of the vocabulary is no token
        scores = logits[:count].float().masked_fill(~may[:count], -math.inf)
        while True:
            best = int(scores.argmax())
            if scores[best] == -math.inf:
                raise ValueError(f"nothing may follow {self.text[-80:]!r}")
            if self._boxes.fit(self._with(best)):
                return best, min(1.0, math.exp(float(scores[best] - scores.logsumexp(0))))
            scores[best] = -math.inf

    def _with(self, token: int) -> str:
        return (self._bytes + self._masks.bytes_of(token)).decode("utf-8", "replace")

    def _tell(self) -> None:
        text = self.text
        if self._on_text is None or text.endswith("\ufffd"):  # half a character: wait for the rest
            return
        self._on_text(text[self._told :])
        self._told = len(text)
