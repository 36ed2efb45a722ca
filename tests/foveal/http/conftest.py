"""A door in this process, behind it a model that recites or whatever a test puts there."""

import asyncio
import base64
import io
import os
import re
import subprocess
import sys
import threading
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
PROGRAM = "import sys; from foveal.cli import main; sys.exit(main())"


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


Start = Callable[..., "Server"]


class Server:
    """`agent serve` in a process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._ready.wait(120), self.lines
        self.url = next(re.search(r"http://\S+(?=/v1)", line) for line in self.lines)[0]  # type: ignore[index]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.decode())
            if "agent: ready" in self.lines[-1]:
                self._ready.set()

    def ended(self) -> int:
        """Its exit code."""
        code = self.process.wait(120)
        self._reader.join()
        return code

    def kill(self) -> None:
        """Whatever it does, end it."""
        self.process.kill()
        self.ended()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start(command: Callable[..., "subprocess.Popen[bytes]"]) -> Iterator[Start]:
    """Starts servers, and ends them."""
    made: list[Server] = []

    def serve(turns: list[str], *options: str) -> Server:
        made.append(Server(command(turns, "serve", "--port", "0", *options)))
        return made[-1]

    yield serve
    for server in made:
        server.kill()


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The address of a server with the embedded profile."""
    words = [sys.executable, "-c", PROGRAM, "serve", "--port", "0"]
    process = subprocess.Popen(
        words,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    server = Server(process)
    yield f"{server.url}/v1"
    process.terminate()
    code = server.ended()
    server.kill()
    assert code == 0, server.lines
    assert not any("base64" in line for line in server.lines)
