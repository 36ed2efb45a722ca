"""Rows of dialogues beside visual tokens, with and without tools, and the tokens of their pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from foveal.agent.actions import Encoder, PerceptionKind
from foveal.agent.grammar import CONTROL_TOKENS
from foveal.agent.transcript import Acted
from foveal.agent.wording import Reseen
from foveal.evals.questions import Question, questions
from foveal.evals.truth import Scene, Thing
from foveal.training.corpus import POINTED, dialogue
from foveal.training.encode import Picture, encode, follow
from foveal.training.encode import Sequence as Encoded
from foveal.training.glimpses import grid_of
from foveal.training.imagine import NOTHING, SEEN, ask, missing
from foveal.training.measuring import FAMILY, about
from foveal.training.observing import World
from foveal.training.outside import outside
from foveal.training.packing import Packed, Row, stack
from foveal.training.policy import allowed
from foveal.training.reencoders import blocks_of, patches_of
from foveal.training.reseeing import Shown
from foveal.training.sightings import Faults
from foveal.training.subjects import Source, Subject
from foveal.training.tokenizer import number
from foveal.training.tower import CELL

AGAIN = 0.5
"""Share of the rows about what other encoders can see in which nothing but re-encoding is allowed."""
RESEEN = ("nearer", "nearer", "larger", "count", "exist", "shape", "shape")
"""Families that are asked there, each as often as it stands here."""
MEASURING = 0.5
"""Share of these in which much is asked of one re-encoding, with nothing but what it shows to go by."""
MEASURED: tuple[Encoder, ...] = ("detection", "clip", "seg", "clip")
"""Encoders that are asked there, each as often as it stands here."""
POINTING = 0.25
"""Share of the rows that only point at regions."""
DOUBTFUL = Faults(failed=0.08, astray=0.15)
"""Often enough specialists fail, or tell of what was not asked for: then the picture has to do."""
LENGTH = 512
"""Tokens in a row: one image and the dialogues about it."""
GRIDS: dict[Encoder, Callable[[int, int], tuple[int, int]]] = {
    "clip": grid_of,
    "detection": patches_of,
    "seg": blocks_of,
}
"""Rows and columns of tokens by an image's width and height."""


@dataclass(frozen=True)
class Illustrated:
    """A packed batch and what its visual tokens are made of."""

    packed: Packed
    pictures: tuple[Shown, ...]
    """One per run of visual tokens, in reading order over the rows; sides are multiples of 28 pixels."""


def strange(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture of nothing on the tabletop: coloured noise at some coarseness."""
    import cv2

    side = int(rng.integers(1, 40))
    coarse = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    width, height = ((224, 224), (168, 252), (252, 168), (196, 252))[rng.integers(4)]
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


class Composer:
    """Makes rows out of subjects."""

    def __init__(self, sources: Sequence[Source], tokenizer: Tokenizer, seed: int) -> None:
        """Every row's subject comes from one of the sources, each as often."""
        self.sources, self.tokenizer = tuple(sources), tokenizer
        self.rng = np.random.default_rng([seed, 3])
        self.controls = [number(tokenizer, token) for token in CONTROL_TOKENS]

    def batches(self, rows: int) -> Iterator[Illustrated]:
        """Endless batches."""
        pad, image = (number(self.tokenizer, t) for t in ("<|endoftext|>", "<|image_pad|>"))
        while True:
            # A very uniform scene allows hardly any question; then another one is taken.
            drawn = (self.row() for _ in count())
            made = list(islice(((row, shown) for row, shown in drawn if row), rows))
            pictures = tuple(p for _, shown in made for p in shown)
            packed = stack((row for row, _ in made), LENGTH, pad, image, self.controls)
            yield Illustrated(packed, pictures)

    def row(self) -> tuple[Row, list[Shown]]:
        """One image, as many dialogues about it as fit, and what they show in reading order."""
        tools = allowed(self.rng, none=0.3)
        if self.rng.random() < 0.12:
            return self._odd(tools)
        subject = self.sources[self.rng.integers(len(self.sources))](self.rng)
        if self.rng.random() < POINTING and (pointed := self._pointing(subject))[0]:
            return pointed
        if subject.encoders and self.rng.random() < AGAIN:
            if self.rng.random() < MEASURING and (measured := self._measured(subject))[0]:
                return measured
            return _filled(self._dialogues(subject, ("reencode",), RESEEN), subject.shown)
        return _filled(self._dialogues(subject, tools), subject.shown)

    def _dialogues(
        self, subject: Subject, tools: tuple[PerceptionKind, ...], families: Sequence[str] = ()
    ) -> Iterator[Encoded]:
        scene = subject.scene
        for _ in range(12):
            question, text = self._question(scene, families)
            if question is not None:
                world = self._world(scene.things, _size(scene), text, subject)
                yield self._sequence(world, question, tools)

    def _pointing(self, subject: Subject) -> tuple[Row, list[Shown]]:
        """Nothing but regions, of each thing that can be asked about: where things are is learnt from many."""
        return _filled(self._regions(subject), subject.shown)

    def _regions(self, subject: Subject) -> Iterator[Encoded]:
        scene = subject.scene
        asked = [one for family in POINTED for one in questions(scene, self.rng, family)]
        looks: tuple[PerceptionKind, ...] = ("look", "read")
        tools = looks[: self.rng.integers(1, 3)]
        for place in self.rng.permutation(len(asked)):
            world = self._world(scene.things, _size(scene), None, subject)
            run = dialogue(world, asked[place], tools)
            if not isinstance(run.items[0], Acted) or len(run.items) < 2:
                continue  # a reader is needed, and there is none
            yield encode(replace(run, items=run.items[:1]), self.tokenizer, view_grid)

    def _measured(self, subject: Subject) -> tuple[Row, list[Shown]]:
        """One re-encoding and much that is asked of it, each question blind to the others."""
        encoder = MEASURED[self.rng.integers(len(MEASURED))]
        question = ask(subject.scene, self.rng, (FAMILY[encoder],))
        if question is None:
            return Row(), []
        world = self._world(subject.scene.things, _size(subject.scene), None, subject)
        run = dialogue(world, question, ("reencode",))
        before = encode(replace(run, items=run.items[:2]), self.tokenizer, view_grid)
        if len(before.views) < 2:
            return Row(), []  # the specialist failed
        asked = about(subject.scene, encoder, subject.span, self.rng)
        return _filled((follow(before, *one, self.tokenizer) for one in asked), subject.shown)

    def _odd(self, tools: tuple[PerceptionKind, ...]) -> tuple[Row, list[Shown]]:
        image = strange(self.rng)
        size = image.shape[1] * 3, image.shape[0] * 3
        drawn = (self._question(NOTHING) for _ in range(6))
        sequences = (
            self._sequence(self._world((), size, text), question, tools, _grid(image))
            for question, text in drawn
            if question is not None
        )
        return _filled(sequences, lambda picture, grid: image)

    def _question(
        self, scene: Scene, families: Sequence[str] = ()
    ) -> tuple[Question | None, str | None]:
        """One of the families, or of any kind; and what text a reader would find, where that is said."""
        if families and scene.things:
            return ask(scene, self.rng, families), None
        draw = self.rng.random()
        if draw < 0.3:
            return outside(self.rng)
        if draw < 0.37 or not scene.things:
            return missing(scene, self.rng), None
        return ask(scene, self.rng, SEEN), None

    def _world(
        self, things: tuple[Thing, ...], size: tuple[int, int], text: str | None,
        subject: Subject | None = None,
    ) -> World:  # fmt: skip
        sightings = subject.sightings if subject else None
        again = bool(subject and subject.encoders)
        return World(
            things, size, self.rng, DOUBTFUL, sightings, views=True, text=text, encoders=again
        )

    def _sequence(
        self, world: World, question: Question, tools: tuple[PerceptionKind, ...],
        grid: tuple[int, int] | None = None,
    ) -> Encoded:  # fmt: skip
        run = dialogue(world, question, tools)
        return encode(run, self.tokenizer, lambda view: grid or view_grid(view))


def _filled(
    sequences: Iterator[Encoded], show: Callable[[Picture, tuple[int, int]], Shown]
) -> tuple[Row, list[Shown]]:
    """As many dialogues about one image as a row has room for, and what they show in reading order."""
    row, shown = Row(), []
    for sequence in sequences:
        if not row:
            row.share(sequence)
            shown += [show(*view) for view in sequence.views[: sequence.common]]
        if len(row) + len(sequence.ids) - sequence.shared > LENGTH:
            break
        row.add(sequence, sequence.shared)
        shown += [show(*view) for view in sequence.views[sequence.common :]]
    return row, shown


def view_grid(picture: Picture) -> tuple[int, int]:
    """Rows and columns of tokens that a view of the original image takes when serving."""
    view = picture.view if isinstance(picture, Reseen) else picture
    x0, y0, x1, y1 = (int(v) for v in view.pixels.xyxy)
    encoder = picture.encoder if isinstance(picture, Reseen) else "clip"
    return GRIDS[encoder](x1 - x0, y1 - y0)


def _grid(image: NDArray[np.uint8]) -> tuple[int, int]:
    return image.shape[0] // CELL, image.shape[1] // CELL


def _size(scene: Scene) -> tuple[int, int]:
    return scene.instances.shape[1], scene.instances.shape[0]
