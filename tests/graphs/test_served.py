"""The graph as LangGraph's own server serves it: the real `langgraph dev`, from a copy of `langgraph.json`."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from foveal.agent.errors import InputError
from foveal.graphs.served import graph

ROOT = Path(__file__).parents[2]
ALONE = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGSMITH_TRACING": "false",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture
def port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[str]:
    """The address of `langgraph dev`, which writes into a folder of its own."""
    shutil.copyfile(ROOT / "langgraph.json", tmp_path / "langgraph.json")
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=tmp_path,
            env=os.environ | ALONE,
            stdout=log,
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _await(address, process, tmp_path / "log")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/ok").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(log.read_text())


@pytest.mark.slow
async def test_langgraph_dev_serves_the_graph(server: str) -> None:
    async with get_client(url=server, api_key=None) as opened:
        client: Any = opened
        question = {
            "image": str(ROOT / "examples" / "tabletop.png"),
            "question": "How many red cubes are there?",
        }
        (assistant,) = await client.assistants.search()
        schemas = await client.assistants.get_schemas(assistant["assistant_id"])
        assert set(schemas["input_schema"]["required"]) == {"image", "question"}
        drawn = await client.assistants.get_graph(assistant["assistant_id"], xray=True)
        assert "loop:perceive" in [node["id"] for node in drawn["nodes"]]
        assert "loop" in await client.assistants.get_subgraphs(assistant["assistant_id"])

        thread = (await client.threads.create())["thread_id"]
        reply = await client.runs.wait(thread, "foveal", input=question)
        assert reply["answer"] == "3"
        assert len(reply["evidence"]) == 3
        assert (await client.threads.get_state(thread))["values"]["answer"] == "3"

        stream = client.runs.stream(None, "foveal", input=question, stream_mode="custom")
        kinds = [part.data["kind"] async for part in stream if part.event == "custom"]
        assert kinds[0] == "started"
        assert "returned" in kinds
        assert kinds[-1] == "finished"


def test_the_factory_is_cheap_and_keeps_its_agent() -> None:
    one, other = graph({}), graph({"configurable": {"profile": "embedded"}})
    assert graph({}) is one
    assert other is not one
    assert set(one.get_input_jsonschema()["properties"]) == {
        "image",
        "question",
        "schema",
        "verify",
    }


@pytest.mark.parametrize("profile", ["evil.toml", "imaginary", ["embedded"]])
def test_a_request_names_a_known_profile(profile: Any) -> None:
    with pytest.raises(InputError, match="known: embedded"):
        graph({"configurable": {"profile": profile}})
