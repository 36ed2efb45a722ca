"""Dialogues as token ids, with a mark on every token that the model must learn to emit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from foveal.agent.dialogue import ASSISTANT, END, opening, reply
from foveal.agent.native.positions import Positions, text_positions, visual_positions
from foveal.agent.observations import View
from foveal.agent.transcript import Acted, Injected
from foveal.agent.wording import Piece, Reseen
from foveal.training.corpus import Dialogue
from foveal.training.observing import whole
from foveal.training.tokenizer import SYSTEM, number

Picture = View | Reseen
"""What visual tokens show."""
Grid = Callable[[Picture], tuple[int, int]]
"""Rows and columns of tokens that a picture takes."""


@dataclass(frozen=True)
class Sequence:
    """One dialogue, ready for training."""

    ids: NDArray[np.int64]
    """(length,) token ids, image_pad where visual tokens go."""
    positions: NDArray[np.int64]
    """(3, length) time, height and width."""
    emitted: NDArray[np.bool_]
    """(length,) whether the model emits this token, so that it is supervised."""
    views: tuple[tuple[Picture, tuple[int, int]], ...] = ()
    """Every picture with its rows and columns of tokens, in reading order."""
    shared: int = 0
    """Tokens up to the end of the image, which dialogues about one image have in common."""
    common: int = 1
    """How many of the views are among those tokens."""


def encode(run: Dialogue, tokenizer: Tokenizer, grid: Grid | None = None) -> Sequence:
    """Tokens of a dialogue; without `grid` images are left out, since text skills are trained without them.

    A dialogue that ends with an observation ends where the model's next turn begins.
    """
    writer = _Writer(tokenizer, grid)
    before, after = opening(run.asked, SYSTEM)
    writer.inject([before])
    box = whole(run.asked.size)
    writer.inject([View(role="whole", pixels=box, source=box)])
    shared = len(writer.ids)
    writer.inject([after])
    waiting: list[Injected] = []
    for item in run.items:
        if not isinstance(item, Acted):
            waiting.append(item)
            continue
        if waiting:
            writer.inject(reply(waiting, run.asked), skip=END)
            waiting = []
        writer.emit(item.text)
    if waiting:
        writer.inject(reply(waiting, run.asked), skip=END)
    return writer.done(shared)


def follow(before: Sequence, question: str, answer: str, tokenizer: Tokenizer) -> Sequence:
    """A dialogue that ends with views, reminded of another question than it began with, and answered.

    All of `before` up to its last view is shared, and nothing of it is supervised.
    """
    end = int(np.flatnonzero(before.ids == number(tokenizer, "<|vision_end|>"))[-1]) + 1
    writer = _Writer(tokenizer, None, int(before.positions[:, :end].max()) + 1)
    writer.inject([f"\n{question}{ASSISTANT}"])
    writer.emit(answer)
    return Sequence(
        np.concatenate((before.ids[:end], writer.ids)),
        np.concatenate((before.positions[:, :end], writer.axes), axis=1),
        np.concatenate((np.zeros(end, bool), writer.emitted)),
        before.views,
        shared=end,
        common=len(before.views),
    )


class _Writer:
    def __init__(self, tokenizer: Tokenizer, grid: Grid | None, position: int = 0) -> None:
        self.tokenizer, self.grid = tokenizer, grid
        self.ids: list[int] = []
        self.emitted: list[bool] = []
        self.axes: Positions = ([], [], [])
        self.views: list[tuple[Picture, tuple[int, int]]] = []
        self._next = position

    def inject(self, pieces: list[Piece], skip: str = "") -> None:
        """Unsupervised tokens; `skip` is text the model has emitted itself."""
        for piece in pieces:
            if not isinstance(piece, str):
                self._view(piece)
                continue
            self._text(self._encoded(piece.removeprefix(skip)), emitted=False)
            skip = ""

    def emit(self, text: str) -> None:
        self._text([*self._encoded(text), number(self.tokenizer, END)], emitted=True)

    def done(self, shared: int) -> Sequence:
        return Sequence(
            np.array(self.ids),
            np.array(self.axes),
            np.array(self.emitted),
            tuple(self.views),
            shared,
        )

    def _view(self, picture: Picture) -> None:
        if self.grid is None:
            return
        rows, columns = self.grid(picture)
        self.views.append((picture, (rows, columns)))
        pads = self._encoded("<|image_pad|>") * (rows * columns)
        self._text(self._encoded("<|vision_start|>"), emitted=False)
        if isinstance(picture, Reseen):  # stands in line, like text
            self._text(pads, emitted=False)
        else:
            places, self._next = visual_positions((1, 2 * rows, 2 * columns), self._next)
            self._add(pads, places, emitted=False)
        self._text(self._encoded("<|vision_end|>"), emitted=False)

    def _encoded(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _text(self, ids: list[int], emitted: bool) -> None:
        places, self._next = text_positions(len(ids), self._next)
        self._add(ids, places, emitted)

    def _add(self, ids: list[int], places: Positions, emitted: bool) -> None:
        self.ids += ids
        self.emitted += [emitted] * len(ids)
        for axis, place in zip(self.axes, places, strict=True):
            axis += place
