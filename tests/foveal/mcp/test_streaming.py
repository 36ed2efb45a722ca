"""`agent mcp --http`: the official client over streamable HTTP, and those who are sent away."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ListRootsResult, Root
from pydantic import FileUrl

from foveal.mcp.streaming import BODY, Door

ROOT = Path(__file__).parents[3]
RED = "<|detect_start|>red cube<|detect_end|>"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPTS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_question(listening: Any, picture: Path, checked: Any, era: str) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    address, _ = listening([RED, "2"])
    async with Client(address, mode=era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        asked = {"image": picture.name, "question": "How many red cubes?"}
        result = await client.call_tool("ask_image", asked, progress_callback=hear)
        assert checked(result, tools["ask_image"])["answer"] == "2"
    assert heard == ['detector: detect "red cube"', "2 found"]


@pytest.mark.slow
async def test_the_embedded_profile(listening: Any, checked: Any) -> None:
    address, _ = listening(None)
    async with Client(address) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        asked = {"image": "examples/tabletop.png", "question": "How many red cubes are there?"}
        result = await client.call_tool("ask_image", asked)
    assert checked(result, tools["ask_image"])["answer"] == "3"


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_cancelling_ends_the_run(
    listening: Any, picture: Path, tmp_path: Path, broken: Any, era: str
) -> None:
    started = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    traces = tmp_path / "traces"
    address, _ = listening(["!600", RED, "2"], "--trace", str(traces))
    async with Client(address, mode=era) as client:
        asked = {"image": picture.name, "question": "How many?"}
        call = asyncio.create_task(client.call_tool("ask_image", asked, progress_callback=hear))
        with anyio.fail_after(60):
            await started.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await broken(traces)
        assert await client.list_tools()


async def test_a_token(listening: Any) -> None:
    address, _ = listening(["2"], token="sesame")
    for given in ({}, {"Authorization": "Bearer open"}, {"Authorization": "Basic sesame"}):
        assert httpx.post(address, json=PING, headers=ACCEPTS | given).status_code == 401
    bearer = {"Authorization": "Bearer sesame"}
    async with (
        httpx2.AsyncClient(headers=bearer) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        assert len((await client.list_tools()).tools) == 6


def test_a_page_elsewhere_cannot_reach_it(listening: Any) -> None:
    """Neither by a name of its own that leads here, nor from its own origin; nor with a body without end."""
    address, _ = listening(["2"])

    def status(content: str = json.dumps(PING), **headers: str) -> int:
        return httpx.post(address, content=content, headers=ACCEPTS | headers).status_code

    assert status(Host="evil.example") == 421
    assert status(Origin="https://evil.example") == 403
    assert status(content=" " * (BODY + 1)) == 413


async def test_a_client_elsewhere_opens_no_folder(listening: Any, picture: Path) -> None:
    """Its roots are on its own machine, whatever their names."""

    async def declared(context: object) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=FileUrl("file:///"))])

    address, _ = listening(["2"])
    async with Client(address, list_roots_callback=declared) as client:
        for image, refused in ((str(picture), False), (str(ROOT / "examples/tabletop.png"), True)):
            result = await client.call_tool("detect", {"image": image, "phrase": "red cube"})
            assert result.is_error == refused


def test_a_signal_ends_it(listening: Any) -> None:
    _, process = listening(["2"])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_taken_port(listening: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from foveal.cli import main

    address, _ = listening(["2"])
    assert main(["mcp", "--http", "--port", str(httpx.URL(address).port)]) == 2
    assert "choose another --host or --port" in capsys.readouterr().err


def test_names_of_this_machine() -> None:
    here = Door(host="0.0.0.0", names=("images.example",)).security
    assert here.enable_dns_rebinding_protection
    assert {"images.example", "images.example:*", "127.0.0.1:*"} <= set(here.allowed_hosts)
    assert "https://images.example" in here.allowed_origins
    assert "evil.example" not in here.allowed_hosts
