"""A door in this process, behind it a model that recites or whatever a test puts there."""

import asyncio
import base64
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from foveal.graphs.agent import Agent
from foveal.graphs.trace import Event
from foveal.http.app import Door, application
from foveal.http.backend import Backend, Here
from foveal.http.limits import Limits
from foveal.http.question import Menu, Question

Json = dict[str, Any]


@pytest.fixture(scope="session")
def picture_url() -> str:
    """A grey picture, 96 x 64, as a data URL."""
    file = io.BytesIO()
    Image.new("RGB", (96, 64), "gray").save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def body(picture_url: str) -> Callable[..., Json]:
    """The body of a question about the picture, with changes."""

    def made(**changes: Any) -> Json:
        content = [
            {"type": "text", "text": "How many red cubes?"},
            {"type": "image_url", "image_url": {"url": picture_url}},
        ]
        usual = {"model": "embedded", "messages": [{"role": "user", "content": content}]}
        return usual | changes

    return made


@pytest.fixture
def reciting(recited: Callable[..., None]) -> Iterator[Callable[..., Here]]:
    """Makes backends whose agents say the given turns."""
    agents: list[Agent] = []

    def make(*turns: str, **options: Any) -> Here:
        recited(*turns)
        agents.append(Agent(**options))
        return Here(agents[-1])

    yield make
    for agent in agents:
        agent.close()


class Stuck:
    """A backend that never answers, and notes who came and who was sent away."""

    ready = True

    def __init__(self) -> None:
        self.came: list[Question] = []
        self.ended = 0

    async def load(self) -> None:
        """There is nothing to load."""

    async def events(self, question: Question) -> AsyncGenerator[Event, None]:
        self.came.append(question)
        try:
            await asyncio.Event().wait()
            nothing: list[Event] = []
            for event in nothing:
                yield event
        finally:
            self.ended += 1


@pytest.fixture
def stuck() -> Stuck:
    """A backend that never answers."""
    return Stuck()


@pytest.fixture
def door() -> Callable[..., Door]:
    """Makes doors; what they say is in `lines`."""

    def make(backend: Backend, limits: Limits | None = None, **options: Any) -> Door:
        options = {"say": LINES.append, "mention": LINES.append} | options
        return Door(backend, options.pop("menu", Menu("embedded")), limits or Limits(), **options)

    LINES.clear()
    return make


LINES: list[str] = []


@pytest.fixture
def lines(door: Callable[..., Door]) -> list[str]:
    """What doors have said."""
    return LINES


@pytest.fixture
def visit() -> Callable[[Door], Any]:
    """A client at a door: `async with visit(door) as client`."""

    @asynccontextmanager
    async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(application(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as made:
            yield made

    return client


@pytest.fixture
def example_url() -> str:
    """The example picture as a data URL."""
    path = Path(__file__).parents[3] / "examples" / "tabletop.png"
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
