"""A small painted picture, a dispatcher that really looks at it, and a model that recites."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import (
    Action,
    Answer,
    Depth,
    Detect,
    Look,
    Perception,
    PerceptionKind,
    Read,
    Reencode,
    Segment,
)
from foveal.agent.grammar import parse
from foveal.agent.model import Session, Sight, Usage
from foveal.agent.observations import (
    Box,
    Detected,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
    VisualTokens,
)
from foveal.agent.scripted import ScriptedModel
from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.agent import Agent
from foveal.graphs.run import Parts
from foveal.tools.base import Mark
from foveal.tools.store import ImageStore

COLOURS = {"red": (200, 0, 0), "blue": (0, 0, 200)}
SQUARES = {"red": ((8, 8, 24, 24), (40, 8, 60, 28)), "blue": ((70, 40, 90, 60),)}
WIDTH, HEIGHT = 96, 64


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Two red squares and a blue one on grey, 96 x 64."""
    pixels = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    for colour, squares in SQUARES.items():
        for x0, y0, x1, y1 in squares:
            pixels[y0:y1, x0:x1] = COLOURS[colour]
    return pixels


@dataclass
class Painter:
    """A dispatcher that finds squares by their colour; `before` is awaited at the start of every call."""

    store: ImageStore
    before: Callable[[Perception], Awaitable[Any]] | None = None
    tokens: int = 0
    """Visual tokens of each crop."""
    key: str = "k"
    """Where the store has them."""
    calls: list[Perception] = field(default_factory=list)
    closed: int = 0

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        self.calls.append(action)
        if self.before:
            await self.before(action)
        return self._answer(action, image, list(marks))

    async def close(self) -> None:
        self.closed += 1

    def _answer(self, action: Perception, image: str, marks: list[Mark]) -> Observation:
        whole = Box(image=image, xyxy=(0, 0, WIDTH, HEIGHT))
        match action:
            case Detect():
                return self.detected(action.phrase, image)
            case Look():
                views = (self._view(marks[0].box),)
                return Looked(index=marks[0].index, label=marks[0].label, views=views)
            case Segment():
                return self._segmented(marks[0])
            case Depth():
                ranges = [Range(index=m.index, label=m.label, box=m.box, depth=0.5) for m in marks]
                return Ranged(ranges=tuple(ranges))
            case Read():
                box = marks[0].box if marks else whole
                return Recognised(lines=(Line(text="exit", box=box, score=0.75),))
            case Reencode():
                return Reencoded(encoder=action.encoder, views=(self._view(whole),))

    def detected(self, phrase: str, image: str) -> Detected:
        if phrase not in COLOURS:
            return Detected(phrase=phrase, unknown=(phrase,))
        hit = (self.store.pixels(image) == COLOURS[phrase]).all(axis=2)
        columns = np.flatnonzero(hit.any(axis=0))
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
        found = [self._found(phrase, hit, run, image) for run in runs]
        return Detected(phrase=phrase, objects=tuple(found))

    def _found(self, phrase: str, hit: NDArray[np.bool_], run: Any, image: str) -> Found:
        rows = np.flatnonzero(hit[:, run].any(axis=1))
        xyxy = (float(run[0]), float(rows[0]), float(run[-1] + 1), float(rows[-1] + 1))
        return Found(label=f"{phrase} square", box=Box(image=image, xyxy=xyxy), score=0.5)

    def _segmented(self, mark: Mark) -> Segmented:
        x0, y0, x1, y1 = mark.box.xyxy
        area = int(mark.box.area)
        return Segmented(
            index=mark.index,
            label=mark.label,
            box=mark.box,
            area=area,
            share=area / (WIDTH * HEIGHT),
            centroid=((x0 + x1) / 2, (y0 + y1) / 2),
        )

    def _view(self, box: Box) -> View:
        tokens = VisualTokens(key=self.key, grid=(1, 2, self.tokens * 2)) if self.tokens else None
        return View(role="crop", pixels=box, source=box, tokens=tokens)


@dataclass
class Reciter:
    """A model that says its turns one after the other, each character a token."""

    turns: Sequence[str]
    name: str = "reciter"
    silent: bool = False
    """Says nothing while decoding."""
    confidence: float | None = 0.9
    direct: Sequence[str] = ()
    """What it says instead when it is asked without tools."""
    direct_confidence: float | None = 0.9
    structured: bool = False
    """Whether its sessions can be held to a schema; they recite all the same."""
    instructed: bool = True
    reads: Mapping[str, tuple[Action, ...]] = field(default_factory=dict)
    """Turns in a spelling of its own."""
    opened: list[list[Any]] = field(default_factory=list)
    sessions: list["Recital"] = field(default_factory=list)

    async def open(self, transcript: Sequence[Any], sight: Sight) -> Session:
        self.opened.append(list(transcript))
        said = sum(isinstance(item, Acted) for item in transcript)
        kind = StructuredRecital if self.structured else Recital
        self.sessions.append(kind(self, said, list(transcript)))
        return self.sessions[-1]


@dataclass
class Recital:
    """One conversation: what it heard, and which tools each turn was allowed."""

    model: Reciter
    said: int
    heard: list[Asked | Acted | Observed | Noted]
    allowed: list[tuple[PerceptionKind, ...]] = field(default_factory=list)
    emitted: int = 0
    replies: int = 0
    closed: int = 0

    @property
    def usage(self) -> Usage:
        views = [
            view
            for item in self.heard
            if isinstance(item, Observed)
            for view in getattr(item.observation, "views", ())
        ]
        visual = 6 + sum(view.tokens.count for view in views if view.tokens)
        return Usage(prefilled=len(self.heard), emitted=self.emitted, visual=visual)

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        self.allowed.append(tuple(tools))
        text = self._text(max_new_tokens, on_text)
        return self._said(text, self.model.reads.get(text) or parse(text))

    def _text(self, limit: int, on_text: Callable[[str], None] | None) -> str:
        text = (self.model.direct if self._aside else self.model.turns)[self.said][:limit]
        self.said += 1
        self.emitted += len(text)
        if on_text and not self.model.silent:
            on_text(text)
        return text

    @property
    def _aside(self) -> bool:
        asked = self.heard[0]
        return bool(self.model.direct) and isinstance(asked, Asked) and not asked.tools

    def _said(self, text: str, actions: Sequence[Action]) -> Acted:
        sure = self.model.direct_confidence if self._aside else self.model.confidence
        turn = Acted(text=text, actions=tuple(actions), confidence=sure)
        self.heard.append(turn)
        return turn

    async def observe(self, items: Sequence[Any]) -> None:
        self.heard += items
        self.replies += 1
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed += 1


@dataclass
class StructuredRecital(Recital):
    """A conversation that can be held to a schema, and remembers to which."""

    held_to: list[Mapping[str, Any]] = field(default_factory=list)

    async def fill(
        self,
        schema: Mapping[str, Any],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        self.held_to.append(schema)
        text = self._text(max_new_tokens, on_text)
        return self._said(text, (Answer(text=text),))


@pytest.fixture
def store() -> ImageStore:
    return ImageStore()


@pytest.fixture
def painter(store: ImageStore) -> Painter:
    return Painter(store)


@pytest.fixture
def reciter() -> Callable[..., Reciter]:
    """Makes a model from its turns."""
    return lambda *turns, **kw: Reciter(turns, **kw)


@pytest.fixture
def parts(painter: Painter, reciter: Callable[..., Reciter]) -> Callable[..., Parts]:
    """Everything a run needs, from the model's turns."""
    return lambda *turns, **kw: Parts(reciter(*turns), painter, painter.store, **kw)


@pytest.fixture
def agent_saying(painter: Painter) -> Iterator[Callable[..., Agent]]:
    """Makes agents from the model's turns, and closes them."""
    agents: list[Agent] = []

    def make(*turns: str, **options: Any) -> Agent:
        model = ScriptedModel(turns, [None] * (len(turns) - 1) + [0.8])
        made: dict[str, Any] = {"model": model, "dispatcher": painter, "store": painter.store}
        agents.append(Agent(**(made | options)))
        return agents[-1]

    yield make
    for agent in agents:
        agent.close()


@pytest.fixture
def picture_file(picture: NDArray[np.uint8], tmp_path: Path) -> str:
    """The picture in a file."""
    file = tmp_path / "picture.png"
    Image.fromarray(picture).save(file)
    return str(file)
