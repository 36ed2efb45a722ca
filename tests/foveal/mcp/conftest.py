"""MCP servers: in this process with a model that recites, or as the command that clients start."""

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import StdioServerParameters
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

from foveal.agent.actions import Perception
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Detected, Found, Looked, Observation, View
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.trace import Broke, read
from foveal.mcp.desk import Desk
from foveal.mcp.sources import Fence
from foveal.mcp.tools import Tools
from foveal.tools.base import Mark
from foveal.tools.store import ImageStore

RECITE = Path(__file__).parents[1] / "recite.py"
ROOT = Path(__file__).parents[3]
AGENT = str(Path(sys.executable).with_name("agent"))


class Seer:
    """Finds one red cube, looks where it is told, and fails in its own way or in no foreseen one."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        self.marks = list(marks)
        match action.kind:
            case "detect":
                box = Box(image=image, xyxy=(10, 10, 30, 30))
                return Detected(
                    phrase=action.phrase, objects=(Found(label="red cube", box=box, score=0.9),)
                )
            case "look":
                view = View(role="crop", pixels=marks[0].box, source=marks[0].box)
                return Looked(views=(view,))
            case "read":
                raise SpecialistError("reader", "it is out of order")
            case _:
                raise KeyError("a secret of the server")

    async def close(self) -> None:
        """Nothing was started."""


@pytest.fixture
def seer() -> Seer:
    """What the server's agent sees with."""
    return Seer()


@pytest.fixture
def serving(seer: Seer, tmp_path: Path) -> Iterator[Callable[..., MCPServer]]:
    """Makes servers in this process: the model's turns, the folders that may be read, and the agent's options."""
    agents: list[Agent] = []

    def make(
        *turns: str, roots: Sequence[Path] = (tmp_path,), fixed: bool = False, **options: Any
    ) -> MCPServer:
        model = ScriptedModel(list(turns), [None] * (len(turns) - 1) + [0.8])
        agent = Agent(model=model, dispatcher=seer, store=ImageStore(), **options)
        agents.append(agent)
        server = MCPServer("foveal")
        fence = Fence(tuple(root.resolve() for root in roots), fixed)
        Tools(Desk(agent), fence).offered_by(server)
        return server

    yield make
    for agent in agents:
        agent.close()


@pytest.fixture
def reciting(tmp_path: Path) -> Callable[..., StdioServerParameters]:
    """How a client starts `agent mcp` with a model that says these turns, or with the embedded one for None."""

    def parameters(turns: Sequence[str] | None, *options: str) -> StdioServerParameters:
        if turns is None:
            return StdioServerParameters(
                command=AGENT, args=["mcp", *options], env={**os.environ}, cwd=ROOT
            )
        script = tmp_path / "turns"
        script.write_text("\n".join(turns), encoding="utf-8")
        return StdioServerParameters(
            command=sys.executable,
            args=[str(RECITE), "mcp", *options],
            env={**os.environ, "RECITE": str(script)},
            cwd=tmp_path,
        )

    return parameters


@pytest.fixture
def piped(
    reciting: Callable[..., StdioServerParameters],
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `agent mcp` with pipes that a test itself reads and writes."""
    started: list[subprocess.Popen[str]] = []

    def start(turns: Sequence[str], *options: str) -> "subprocess.Popen[str]":
        how, pipe = reciting(turns, *options), subprocess.PIPE
        command = [how.command, *how.args]
        process = subprocess.Popen(
            command, env=how.env, cwd=how.cwd, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def listening(
    reciting: Callable[..., StdioServerParameters],
) -> Iterator[Callable[..., tuple[str, "subprocess.Popen[str]"]]]:
    """Starts `agent mcp --http` and gives its address and its process."""
    started: list[subprocess.Popen[str]] = []

    def start(
        turns: Sequence[str] | None, *options: str, token: str = ""
    ) -> tuple[str, "subprocess.Popen[str]"]:
        how = reciting(turns, "--http", "--port", "0", *options)
        process = subprocess.Popen(
            [how.command, *how.args],
            env={**(how.env or {}), "FOVEAL_TOKEN": token},
            cwd=how.cwd,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return address_of(process), process

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()


def address_of(process: "subprocess.Popen[str]") -> str:
    """Where a server says that it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"MCP at (http://\S+)", line):
            return found[1]
    raise AssertionError("the server says no address")


@pytest.fixture
def checked() -> Callable[[CallToolResult, Tool], dict[str, Any]]:
    """The structured content of a result: it fits the tool's schema and equals the text; the pictures open."""

    def content(result: CallToolResult, tool: Tool) -> dict[str, Any]:
        import io
        import json

        assert not result.is_error, result.content
        assert tool.output_schema is not None
        jsonschema.validate(result.structured_content, tool.output_schema)
        text, *pictures = result.content
        assert isinstance(text, TextContent)
        assert json.loads(text.text) == result.structured_content
        for picture in pictures:
            assert isinstance(picture, ImageContent)
            with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
                assert Image.MIME[str(image.format)] == picture.mime_type
        found: dict[str, Any] = result.structured_content
        return found

    return content


@pytest.fixture
def broken() -> Callable[[Path], Awaitable[None]]:
    """Waits until the only run's trace says that it was broken off."""

    async def wait(traces: Path) -> None:
        while True:
            (trace,) = traces.glob("*.jsonl")
            last = read(trace)[-1]
            if isinstance(last, Broke):
                assert "Cancelled" in last.error
                return
            await asyncio.sleep(0.05)

    return wait
