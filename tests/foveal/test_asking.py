"""One question, told to a pipe, a program and a terminal."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FIND = "<|detect_start|>red cube<|detect_end|>"
READ = "<|read_start|><|read_end|>"
LOOK = "<|look_start|><|obj_1|><|look_end|>"
STRAY = "<|region_token_end|>"
Start = Callable[..., subprocess.Popen[bytes]]


def test_a_pipe_gets_the_answer_alone(command: Start, picture: Path) -> None:
    process = command([FIND, "2"], "run", "--image", str(picture), "--question", "?")
    out, err = process.communicate()
    assert (process.returncode, out) == (0, b"2\n")
    assert err == b"noise from a library\n"


def test_hops_are_told_to_a_pipe_on_request(
    ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([FIND + READ, STRAY, LOOK, FIND, "2"], "--hops") == 0
    out = capsys.readouterr().out
    told = [
        'detect "red cube"', "detector", "2 found", "[2] red cube 93 %, at 50,10 to 70,30",
        "read all text", "reader", "turn 2 could not be read", "look at object 1 (red cube)",
        "out of order", "from memory", "confidence 93 %", "4 hops",
    ]  # fmt: skip
    positions = [out.find(words) for words in told]
    assert -1 not in positions, told[positions.index(-1)]
    assert positions == sorted(positions)
    assert out.count("out of order") == 1
    assert "\x1b" not in out


def test_json_is_one_object_with_everything(
    ask: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([FIND, "2"], "--json", "--trace", str(tmp_path / "traces"), "--max-hops", "3") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    told = json.loads(out)
    assert (told["answer"], told["confidence"], told["ended_by"]) == ("2", 0.93, "answer")
    assert [hop["specialist"] for hop in told["hops"]] == ["detector"]
    assert [piece["box"] for piece in told["evidence"]] == [[10, 10, 30, 30], [50, 10, 70, 30]]
    assert (told["usage"]["hops"], told["budgets"]["hops"]) == (1, 3)
    assert {"start", "model", "specialists", "total"} == set(told["timings"])
    assert (told["question"], told["profile"], told["size"]) == ("How many?", "embedded", [96, 64])
    assert told["notes"] == []
    assert Path(told["trace"]).is_file()


def test_no_answer_is_said_and_counted(
    ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([""]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "agent: note: no answer" in err


def test_the_tools_may_be_none(ask: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(["2"], "--tools", "none", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tools"] == []


COUNT = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}


@pytest.fixture
def schema(tmp_path: Path) -> str:
    """A file with the schema of a count."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(COUNT), encoding="utf-8")
    return str(path)


def test_with_a_schema_a_pipe_gets_json_alone(
    ask: Callable[..., int], schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([FIND, '```json\n{"count": 2}\n```'], "--schema", schema) == 0
    assert capsys.readouterr().out == '{"count": 2}\n'
    assert ask([FIND, "2"], "--schema", schema, "--hops") == 0
    assert '{"count": 2}\n' in capsys.readouterr().out
    assert ask([FIND, "2"], "--schema", schema, "--json") == 0
    assert json.loads(capsys.readouterr().out)["value"] == {"count": 2}


def test_what_does_not_fit_is_no_json_for_a_pipe(
    ask: Callable[..., int], schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([FIND, "a few", "some"], "--schema", schema) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "agent: note: the answer does not fit the schema" in err
    assert "agent: note: the answer was: some\n" in err
    assert ask([FIND, "a few", "some"], "--schema", schema, "--json") == 1
    assert json.loads(capsys.readouterr().out)["answer"] == "some"


def test_the_gate_and_the_verification_are_told(
    ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(["2"], "--gate", "0.9", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ended_by"], told["gate"], told["direct"]["answer"]) == ("gate", 0.9, "2")
    assert set(told["timings"]) == {"start", "model", "specialists", "total"}
    assert ask(["2"], "--gate", "0.9", "--hops") == 0
    assert "sure enough without looking" in capsys.readouterr().out
    assert ask([FIND, "2"], "--verify", "--json") == 0
    told = json.loads(capsys.readouterr().out)["faithful"]
    assert told == {
        "depends": False, "answer": "2", "confidence": 0.93, "without": "2", "confidence_without": 0.93,
    }  # fmt: skip
    assert ask([FIND, "2"], "--verify") == 0
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == (
        "2\n",
        "agent: note: the answer is the same without what was seen (confidence 93 %)",
    )
    assert ask([FIND, "2"], "--verify", "--hops") == 0
    assert (
        "the answer is the same without what was seen (confidence 93 %)" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "wrong", [["--gate", "2"], ["--gate", "very"], ["--schema", "none.json"], ["--schema"]]
)
def test_bad_wishes_get_one_line(
    wrong: list[str], ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(["2"], *wrong) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_a_terminal_sees_each_hop(command: Start, picture: Path) -> None:
    ours, theirs = pty.openpty()
    words = ["run", "--image", str(picture), "--question", "How many?"]
    process = command([FIND, READ, "2"], *words, stdout=theirs)
    os.close(theirs)
    seen = b"".join(iter(lambda: _read(ours), b"")).decode()
    assert process.wait() == 0
    assert 'detect "red cube"' in seen
    assert seen.index("2 found") < seen.index("read all text") < seen.index("confidence")
    assert "\x1b[31mEXIT" not in seen, "text in the image reached the terminal unchecked"
    assert "noise" not in seen
    os.close(ours)
    process.communicate()


def test_an_interrupt_is_quiet(command: Start, picture: Path, tmp_path: Path) -> None:
    words = ["run", "--image", str(picture), "--question", "?", "--hops"]
    process = command(["!0.2", *[FIND.replace("red", str(n)) for n in range(40)]], *words)
    assert process.stdout is not None
    assert b"detect" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_may_leave(command: Start, picture: Path) -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    process = command(["2"], "run", "--image", str(picture), "--question", "?", stdout=ours)
    os.close(ours)
    _, err = process.communicate()
    assert process.returncode == 141
    assert err == b""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
