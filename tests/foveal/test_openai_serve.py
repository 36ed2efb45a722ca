"""The server that transformers ships, with a tiny model of a real family: a real client, a real server, no mock.

The network computes every token; which of them it says is decided here: a random one would never call a tool.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foveal.cli import main

PICTURE = Path(__file__).parents[2] / "examples" / "tabletop.png"
WORDS = ["run", "--image", str(PICTURE), "--question", "How many red cubes are there?", "--json"]

pytestmark = pytest.mark.slow


def call(name: str, **arguments: Any) -> str:
    """A call as the Qwen family writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


TURNS = [
    "Let me count." + call("detect", phrase="red cube"),
    call("look", box=[100, 200, 300, 400], object=None)
    + "\n"
    + call("segment", box=None, object=1),
    "There are 2.",
]


@pytest.fixture
def serve(
    chat_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str, list[str]]]:
    """The address of a server, what it calls its model, and the turns that this model says next."""
    pytest.importorskip("fastapi")
    from transformers import AutoModelForImageTextToText, AutoTokenizer
    from transformers.cli.serve import Serve
    from transformers.cli.serving.model_manager import ModelManager

    folder, turns = chat_folder("qwen2_vl"), list[str]()

    def loaded(*_: Any, **__: Any) -> Any:  # its own way of loading wants accelerate
        network: Any = AutoModelForImageTextToText.from_pretrained(folder)
        generate, tokenizer = network.generate, AutoTokenizer.from_pretrained(folder)
        network.generate = lambda **inputs: generate(
            **inputs, logits_processor=[said(turns.pop(0), tokenizer, inputs["input_ids"])]
        )
        return network

    monkeypatch.setattr(ModelManager, "_load_model", loaded)
    monkeypatch.setattr(Serve, "start_server", lambda self: None)  # it never closes its loop
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Serve(str(folder), device="cpu", host="127.0.0.1", port=port, non_blocking=True)
    thread = threading.Thread(target=lambda: asyncio.run(made.server.serve()))
    thread.start()
    while not made.server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/v1", str(folder), turns
    made.server.should_exit = True
    thread.join()


def said(text: str, tokenizer: Any, prompt: Any) -> Callable[[Any, Any], Any]:
    """Leaves nothing open but the next token of the text, whatever the network computed."""
    wanted = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]

    def process(ids: Any, scores: Any) -> Any:
        token = wanted[ids.shape[-1] - prompt.shape[-1]]
        scores[:, :token] = scores[:, token + 1 :] = -float("inf")
        return scores

    return process


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_question_is_answered_over_hops(
    serve: tuple[str, str, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    api: str,
) -> None:
    address, model, turns = serve
    turns += TURNS
    profile = tmp_path / "served.toml"
    profile.write_text(f'backend = "openai"\napi = "{api}"\nbase_url = "{address}"')
    assert main([*WORDS, "--profile", str(profile), "--model", model]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["answer"] == "There are 2."
    assert [hop["action"]["kind"] for hop in result["hops"]] == ["detect", "look", "segment"]
    assert [hop["observation"]["kind"] for hop in result["hops"]] == [
        "detected",
        "looked",
        "segmented",
    ]
    assert result["usage"]["prefilled"] > result["usage"]["emitted"] > 50
    assert not turns


def test_a_server_that_is_pinned_to_another_model(
    serve: tuple[str, str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    address, model, _ = serve
    assert main([*WORDS, "--base-url", address, "--model", "another"]) == 2
    line = capsys.readouterr().err
    assert f"Server is pinned to '{model}'" in line
    assert "correct --model" in line
