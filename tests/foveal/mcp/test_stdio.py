"""`agent mcp` as a client starts it: over real pipes, with nothing on stdout but the protocol."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

IMAGE = "examples/tabletop.png"
RED = "<|detect_start|>red cube<|detect_end|>"
LOOK = "<|region_token_start|><|x_0|><|y_0|><|x_3|><|y_3|><|region_token_end|>"
CUBE = {"left": 190, "top": 340, "right": 240, "bottom": 409}
SIGN = {"left": 196, "top": 81, "right": 275, "bottom": 155}


@pytest.mark.slow
async def test_the_embedded_profile(reciting: Any, checked: Any) -> None:
    """A question, and each specialist once, all about the same image."""
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with Client(reciting(None)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

        async def found(name: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(
                name, {"image": IMAGE, **arguments}, progress_callback=hear
            )
            fitting: dict[str, Any] = checked(result, tools[name])
            return fitting

        asked = await found("ask_image", question="How many red cubes are there?")
        assert asked["answer"] == "3"
        assert asked["confidence"] > 0.9
        assert [proof["label"] for proof in asked["evidence"]] == ["red cube"] * 3
        assert heard == ['detector: detect "red cube"', "3 found"]
        assert (await found("look", region=CUBE))["box"] == CUBE
        assert (await found("detect", phrase="red cube . teapot"))["count"] == 3
        boxed = await found("segment", box=CUBE)
        pointed = await found("segment", point={"x": 215, "y": 375}, mask=True)
        assert pointed["area"] == pytest.approx(boxed["area"], rel=0.1)
        near, far = (await found("depth", regions=[SIGN, CUBE]))["nearest_first"]
        assert (near["region"], far["region"]) == (1, 0)
        assert (await found("read", region=SIGN))["text"] == "80"
        assert set((await found("read"))["text"].split()) == {"80", "PEM"}
        wrong = await client.call_tool("look", {"image": "examples/none.png", "region": CUBE})
        assert wrong.is_error


def test_stdout_is_the_protocol_alone(piped: Any, picture: Path) -> None:
    """What libraries print, here or in processes that they start, goes to stderr."""
    call = {
        "name": "ask_image",
        "arguments": {"image": str(picture), "question": "How many?"},
    }
    process = piped([RED, "2"])
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    _send(process, {"id": 1, "method": "initialize", "params": hello})
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "foveal"
    _send(process, {"method": "notifications/initialized"})
    _send(process, {"id": 2, "method": "tools/call", "params": call})
    answer = json.loads(process.stdout.readline())
    assert answer["result"]["structuredContent"]["answer"] == "2"
    rest, noise = process.communicate(timeout=60)
    assert (rest, process.returncode) == ("", 0)
    assert "noise from a library" in noise


def _send(process: "subprocess.Popen[str]", message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_cancelling_ends_the_run(
    reciting: Any, picture: Path, tmp_path: Path, broken: Any, era: str
) -> None:
    traces = tmp_path / "traces"
    started = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    async with Client(reciting(["!600", RED, "2"], "--trace", str(traces)), mode=era) as client:
        asked = {"image": str(picture), "question": "How many?"}
        call = asyncio.create_task(client.call_tool("ask_image", asked, progress_callback=hear))
        with anyio.fail_after(60):
            await started.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await broken(traces)
        assert await client.list_tools()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_although_it_reads(piped: Any, number: signal.Signals) -> None:
    process = piped(["2"])
    _send(process, {"id": 1, "method": "ping"})
    assert json.loads(process.stdout.readline())["id"] == 1
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert not process.communicate()[0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--root", "nowhere"], "--root 'nowhere' is no folder"),
        (["--profile", "nobody"], "no profile 'nobody'"),
        (["--pool", "detector.replicas=2"], "add --ray"),
        (["--http", "--host", "0.0.0.0"], "set FOVEAL_TOKEN"),
        (["--tools", "smell"], "no tool 'smell'"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    capsys: pytest.CaptureFixture[str], options: Sequence[str], told: str
) -> None:
    from foveal.cli import main

    assert main(["mcp", *options]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert not said.out
