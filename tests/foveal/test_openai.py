"""`agent run --profile openai`: every action, from the command to a server on loopback and back to an answer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.scripted import ScriptedModel
from foveal.cli import main
from foveal.graphs.agent import Agent
from foveal.graphs.replay import replay

PICTURE = Path(__file__).parents[2] / "examples" / "tabletop.png"
QUESTION = "How many red cubes are there?"
WORDS = ["run", "--image", str(PICTURE), "--question", QUESTION]
EVERYTHING = [
    ("look", {"box": [125, 250, 499, 749], "object": None}),
    ("look", {"box": None, "object": 1}),
    ("segment", {"box": None, "object": 1}),
    ("depth", {"boxes": None, "objects": [1, 2]}),
    ("read", {"box": None, "object": None}),
]
NATIVELY = [
    "<|detect_start|>red cube<|detect_end|>",
    "<|region_token_start|><|x_1|><|y_2|><|x_3|><|y_5|><|region_token_end|>"
    "<|look_start|><|obj_1|><|look_end|><|segment_start|><|obj_1|><|segment_end|>"
    "<|depth_start|><|obj_1|><|obj_2|><|depth_end|><|read_start|><|read_end|>",
    "2",
]
"""The same, as a model with perception tokens writes it."""


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON object that was printed."""
    return json.loads(capsys.readouterr().out)


def trace(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shape(events: list[dict[str, Any]]) -> list[Any]:
    """What happened, in what order and by whom; not what it was made of."""
    return [
        (
            event["kind"],
            event.get("action", event.get("hop", {}).get("action", {})).get("kind"),
            event.get("specialist", event.get("hop", {}).get("specialist")),
            event.get("hop", {}).get("observation", {}).get("kind"),
            sorted(event),
        )
        for event in events
    ]


@pytest.mark.parametrize("api", ["chat", "responses", "text"])
def test_every_action_end_to_end(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], api: str
) -> None:
    server.recites(
        server.turn("First I count.", [("detect", {"phrase": "red cube"})]),
        server.turn("", EVERYTHING),
        server.turn("2", logprobs=[-0.01]),
    )
    options = ["--profile", "openai", "--base-url", server.url, "--model", "tiny"]
    if api == "responses":
        profile = tmp_path / "mine.toml"
        profile.write_text(f'backend = "openai"\napi = "responses"\nbase_url = "{server.url}"')
        options = ["--profile", str(profile)]
    elif api == "text":
        profile = tmp_path / "mine.toml"
        profile.write_text('backend = "openai"\ntool_calls = false\nconvention = "grid"')
        options = ["--profile", str(profile), "--base-url", server.url, "--model", "tiny"]
        spelled = NATIVELY[1].replace("<|x_1|><|y_2|><|x_3|><|y_5|>", "[1, 2, 3, 5]")
        server.recites(
            *map(server.turn, (NATIVELY[0], spelled)), server.turn("2", logprobs=[-0.01])
        )
    assert main([*WORDS, *options, "--trace", str(tmp_path / "t"), "--json"]) == 0
    result = told(capsys)
    assert (result["answer"], result["ended_by"], result["notes"]) == ("2", "answer", [])
    assert result["confidence"] == pytest.approx(0.99, abs=0.001)
    kinds = [hop["action"]["kind"] for hop in result["hops"]]
    assert kinds == ["detect", "look", "look", "segment", "depth", "read"]
    assert all(hop["observation"]["kind"] != "failed" for hop in result["hops"])
    assert result["usage"]["cached"] == 120
    assert result["usage"]["emitted"] == 21
    sent = server.bodies[2].get("messages") or server.bodies[2]["input"]
    assert json.dumps(sent).count("base64,") == 5, "the image, two looks, an outline, a depth map"
    events = trace(tmp_path / "t")
    with Agent(model=ScriptedModel(NATIVELY), trace_dir=tmp_path / "native") as agent:
        agent.ask(str(PICTURE), QUESTION)
    assert shape(events) == shape(trace(tmp_path / "native")), (
        "a trace looks the same as a native one"
    )
    (path,) = (tmp_path / "t").glob("*.jsonl")
    again = asyncio.run(replay(path, str(PICTURE)))
    assert (again.answer, again.ended_by, len(again.hops)) == ("2", "answer", 6)
    assert [list(piece.box) for piece in again.evidence] == [e["box"] for e in result["evidence"]]


def test_the_same_call_without_end(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that asks the same again and again is answered from memory, and made to answer in the end."""
    server.script = lambda body: (
        server.turn("", [("detect", {"phrase": "red cube"})])
        if body.get("tool_choice") != "none"
        else server.turn("2")
    )
    assert main([*WORDS, "--base-url", server.url, "--json"]) == 0
    result = told(capsys)
    assert result["answer"] == "2"
    assert result["ended_by"] in ("hops", "errors")
    assert result["usage"]["repeated"] == len(result["hops"]) - 1
    assert len(server.bodies) <= 9


def test_the_same_half_of_a_call_without_end(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers(server.turn("", [("look", '{"box": [1, 2')]))
    assert main([*WORDS, "--base-url", server.url, "--json"]) == 1
    result = told(capsys)
    assert result["answer"] == ""
    assert any("its arguments are no JSON" in note for note in result["notes"])
    assert len(server.bodies) <= 10, (
        "it is asked as often as the budget says, and then without tools"
    )


def test_without_tools(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers(server.turn("2"))
    assert main([*WORDS, "--base-url", server.url, "--tools", "none"]) == 0
    assert capsys.readouterr().out == "2\n"
    assert "tools" not in server.bodies[0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--profile", "openai"], "add --base-url http://HOST:PORT/v1, or set FOVEAL_BASE_URL"),
        (["--base-url", "http://127.0.0.1:1/v1", "--model", "x"], "no server answers at http://127.0.0.1:1/v1"),
        (["--base-url", "localhost:8000"], "--base-url 'localhost:8000' cannot be used"),
        (["--profile", "embedded", "--base-url", "http://127.0.0.1:1/v1"], "runs in process"),
    ],
)  # fmt: skip
def test_one_line_says_what_is_wrong(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("agent: ")
    assert err.count("\n") == 1
    assert line in err


def test_a_key_that_is_refused_is_nowhere_to_be_seen(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    server.answers(server.refusal(401, "Incorrect API key provided: sk-verysecret"))
    folder = tmp_path / "t"
    assert main([*WORDS, "--base-url", server.url, "--trace", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert "does not accept the key; set FOVEAL_API_KEY" in err
    (written,) = folder.glob("*.jsonl")
    assert "verysecret" not in out + err + written.read_text(encoding="utf-8")
    assert server.asked[-1].headers["authorization"] == "Bearer sk-verysecret"


def test_an_answer_that_is_sure_enough_needs_no_look(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers(server.turn("2", logprobs=[-0.01]))
    assert main([*WORDS, "--base-url", server.url, "--gate", "0.9", "--json"]) == 0
    result = told(capsys)
    assert (result["answer"], result["ended_by"], len(server.bodies)) == ("2", "gate", 1)
    server.answers(server.turn("2"))
    assert main([*WORDS, "--base-url", server.url, "--gate", "0.9", "--json"]) == 0
    assert "does not say how sure it is" in " ".join(told(capsys)["notes"])


def test_an_answer_that_fits_a_schema_and_what_it_rests_on(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / "count.json"
    schema.write_text(
        '{"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}'
    )

    def script(body: Any) -> Any:
        if "response_format" in body:
            return server.turn('{"count": 2}' if "tools" in body else '{"count": 1}')
        turn = server.turn("", [("detect", {"phrase": "red cube"})])
        return turn if len(body["messages"]) == 2 else server.turn("two, I think")

    server.script = script
    options = ["--base-url", server.url, "--schema", str(schema), "--verify", "--json"]
    assert main([*WORDS, *options]) == 0
    result = told(capsys)
    assert result["value"] == {"count": 2}
    assert result["faithful"]["depends"] is True
    assert result["usage"]["emitted"] == 7 * len(server.bodies)
