"""Dialogues as token ids, with a mark on every token that the model must learn to emit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from foveal.agent.dialogue import END, Piece, opening, reply
from foveal.agent.observations import Box, View
from foveal.agent.transcript import Acted, Injected
from foveal.training.corpus import IMAGE, Dialogue
from foveal.training.tokenizer import SYSTEM

GLIMPSE = 64
"""Visual tokens of a whole square image: one per cell of the region grid."""


@dataclass(frozen=True)
class Sequence:
    """One dialogue, ready for training."""

    ids: NDArray[np.int64]
    """(length,) token ids, image_pad where visual tokens go."""
    emitted: NDArray[np.bool_]
    """(length,) whether the model emits this token, so that it is supervised."""
    views: tuple[tuple[int, tuple[float, float, float, float]], ...]
    """Where each view's first visual token stands, and which pixels of the scene it shows."""


def encode(run: Dialogue, tokenizer: Tokenizer, glimpse: int = 0, look: int = 0) -> Sequence:
    """Tokens of a dialogue with `glimpse` visual tokens for the image and `look` for every later view.

    With glimpse 0 the image is left out: text skills are trained without it.
    """
    writer = _Writer(tokenizer, glimpse, look)
    before, after = opening(run.asked, SYSTEM)
    writer.inject([before])
    if glimpse:
        whole = Box(image=IMAGE, xyxy=(0.0, 0.0, *map(float, run.asked.size)))
        writer.inject([View(role="whole", pixels=whole, source=whole)], count=glimpse)
    writer.inject([after])
    waiting: list[Injected] = []
    for item in run.items:
        if not isinstance(item, Acted):
            waiting.append(item)
            continue
        if waiting:
            writer.inject(reply(waiting, run.asked.size), skip=END)
            waiting = []
        writer.emit(item.text)
    return writer.done()


class _Writer:
    def __init__(self, tokenizer: Tokenizer, glimpse: int, look: int) -> None:
        self.tokenizer, self.look = tokenizer, look
        self.ids: list[int] = []
        self.emitted: list[bool] = []
        self.views: list[tuple[int, tuple[float, float, float, float]]] = []
        start, end, pad = (
            tokenizer.token_to_id(t)
            for t in ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
        )
        self.start, self.end, self.pad = start, end, pad

    def inject(self, pieces: list[Piece], skip: str = "", count: int | None = None) -> None:
        """Unsupervised tokens; `skip` is text the model has emitted itself."""
        for piece in pieces:
            if isinstance(piece, View):
                self._view(piece, self.look if count is None else count)
                continue
            ids = self.tokenizer.encode(piece.removeprefix(skip), add_special_tokens=False).ids
            self._add(ids, emitted=False)
            skip = ""

    def emit(self, text: str) -> None:
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        self._add([*ids, self.tokenizer.token_to_id(END)], emitted=True)

    def done(self) -> Sequence:
        return Sequence(np.array(self.ids), np.array(self.emitted), tuple(self.views))

    def _view(self, view: View, count: int) -> None:
        self.views.append((len(self.ids) + 1, view.pixels.xyxy))
        self._add([self.start, *[self.pad] * count, self.end], emitted=False)

    def _add(self, ids: list[int], emitted: bool) -> None:
        self.ids += ids
        self.emitted += [emitted] * len(ids)
