"""A server as a process: where it listens, what it says, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from foveal.cli import main
from foveal.graphs.trace import Finished, read

CHAT = "/v1/chat/completions"
RED = "<|detect_start|>red cube<|detect_end|>"


def begun(lines: Iterator[str]) -> None:
    """Read a stream until the specialist has been asked."""
    for line in lines:
        if '"kind": "called"' in line:
            return
    raise AssertionError("the specialist was not asked")


def answer(lines: Iterator[str]) -> str:
    """What the rest of a stream answers; it has to be whole."""
    told = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert told[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in told[:-1]]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_finished_before_the_end(number: int, start: Any, body: Any) -> None:
    server = start(["!1", RED, "2"])
    with httpx.stream("POST", server.url + CHAT, json=body(stream=True), timeout=120) as reply:
        lines = reply.iter_lines()
        begun(lines)
        server.process.send_signal(number)
        while not any("stopping; 1 to finish" in line for line in server.lines):
            assert server.process.poll() is None
        assert answer(lines) == "2"
    assert server.ended() == 0
    assert '"POST /v1/chat/completions" 200' in server.lines[-1]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/healthz")


def test_the_drain_has_an_end(start: Any, body: Any) -> None:
    server = start(["!600", RED, "2"], "--drain", "0")
    with httpx.stream("POST", server.url + CHAT, json=body(stream=True), timeout=120) as reply:
        lines = reply.iter_lines()
        begun(lines)
        server.process.terminate()
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    assert server.ended() == 0


def test_a_second_signal_ends_it_at_once(start: Any, body: Any) -> None:
    server = start(["!600", RED, "2"], "--drain", "600")
    with httpx.stream("POST", server.url + CHAT, json=body(stream=True), timeout=120) as reply:
        lines = reply.iter_lines()  # held: closing it closes the connection
        begun(lines)
        server.process.send_signal(signal.SIGINT)
        while not any("stopping; 1 to finish" in line for line in server.lines):
            assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.ended() == 130


def test_a_client_that_hangs_up_ends_its_run(start: Any, body: Any) -> None:
    server = start(["!600", RED, "2"], "--in-flight", "1", "--queue", "0")
    with httpx.stream("POST", server.url + CHAT, json=body(stream=True), timeout=120) as reply:
        lines = reply.iter_lines()  # held: closing it closes the connection
        begun(lines)
        assert httpx.post(server.url + CHAT, json=body()).status_code == 429
    while "foveal_in_flight 0.0" not in httpx.get(server.url + "/metrics").text:
        assert server.process.poll() is None
    server.process.terminate()
    assert server.ended() == 0


def test_every_run_is_traced(start: Any, body: Any, tmp_path: Path) -> None:
    server = start(["2"], "--trace", str(tmp_path / "traces"))
    run = httpx.post(server.url + CHAT, json=body()).json()["foveal"]["run"]
    (trace,) = (tmp_path / "traces").glob("*.jsonl")
    assert trace.stem == run
    assert isinstance(read(trace)[-1], Finished)


def test_what_cannot_be_ordered_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words, told in {
            ("--host", "0.0.0.0"): "set FOVEAL_TOKEN",
            ("--port", port): f"cannot listen on 127.0.0.1:{port}: Address already in use",
            ("--host", "1.2.3.4", "--no-auth"): "cannot listen on 1.2.3.4:8000",
            ("--replicas", "2"): "give --ray as well",
            ("--pool", "detector.replicas=2"): "give --ray as well",
            ("--ray", "--replicas", "4-2"): "--replicas '4-2'",
            ("--profile", "nobody"): "no profile 'nobody'",
            ("--tools", "fly"): "no tool 'fly'",
        }.items():
            assert main(["serve", *words]) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert err.count("\n") == 1
            assert told in err


def test_damaged_weights_end_it_with_one_line_more(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n")
    monkeypatch.setenv("FOVEAL_WEIGHTS", str(tmp_path))
    assert main(["serve", "--port", "0"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "damaged" in last


def test_a_missing_library_is_named() -> None:
    code = (
        "import sys\nsys.modules['uvicorn'] = None\n"
        "from foveal.cli import main\nsys.exit(main(['serve']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr == "agent: uvicorn is not installed; pip install 'foveal[serve]'\n"
