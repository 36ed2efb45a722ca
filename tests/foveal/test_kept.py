"""Runs on the command line: kept, listed, killed, gone on with, forked, and waiting for a person."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.approving import decision_of
from foveal.cli import main
from foveal.kept import Verdict

FIND = "<|detect_start|>red cube<|detect_end|>"
READ = "<|read_start|><|obj_2|><|read_end|>"
TURNS = [FIND, READ, "2"]
Ask = Callable[..., int]
Text = pytest.CaptureFixture[str]
PROGRAM = Path(__file__).with_name("killed.py")
TABLE = Path(__file__).parents[2] / "examples" / "tabletop.png"
SIGN = ["run", "--image", str(TABLE), "--question", "What is written on the sign?", "--json"]


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'my runs.db'}"


@pytest.fixture
def last(place: str, capsys: Text) -> Callable[[], dict[str, Any]]:
    """The newest run, as `agent runs --json` tells it."""

    def newest() -> dict[str, Any]:
        capsys.readouterr()
        assert main(["runs", "--checkpoint", place, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)[-1]
        return found

    return newest


def test_runs_are_listed(ask: Ask, place: str, picture: Path, capsys: Text) -> None:
    assert ask(TURNS, "--checkpoint", place) == 0
    assert ask(TURNS, "--checkpoint", place, "--approve", "read") == 3
    capsys.readouterr()
    assert main(["runs", "--checkpoint", place]) == 0
    first, second = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert first[2:] == ["How many?", "finished", "2"]
    assert second[2:] == ["How many?", "waiting for approval of read", ""]
    assert main(["runs", first[0], "--checkpoint", place]) == 0
    told = capsys.readouterr().out
    for words in (f"image: {picture}", 'detect "red cube"', "2 found", "answer: 2"):
        assert words in told
    assert main(["runs", first[0], "--checkpoint", place, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["images"] == [str(picture)]
    assert [hop["observation"]["kind"] for hop in shown["hops"]] == ["detected", "recognised"]


def test_a_run_that_waits_says_how_to_go_on(
    ask: Ask, place: str, capsys: Text, recited: Callable[..., None]
) -> None:
    assert ask(TURNS, "--checkpoint", place, "--approve", "read") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "waits for approval: read the text on object 2 (red cube) (pixels 50,10,70,30)" in err
    command = err.partition("`agent ")[2].partition("`")[0]
    assert command.startswith("resume 2")
    assert command.endswith(f"--checkpoint '{place}' --accept")
    words = command.replace(f"'{place}'", "PLACE").split()
    recited(*TURNS)
    assert main([place if word == "PLACE" else word for word in words]) == 0
    assert capsys.readouterr().out == "2\n"


@pytest.mark.parametrize(
    ("options", "approval", "message"),
    [
        (["--accept"], "accepted", ""),
        (["--reject"], "rejected", "a person refused this"),
        (["--reject", "not there"], "rejected", "a person refused this: not there"),
        (["--region", "0,0,20,20"], "edited", ""),
        (["--accept", "--only", "1"], "accepted", ""),
    ],
)
def test_a_person_decides(
    options: list[str], approval: str, message: str,
    ask: Ask, place: str, last: Callable[[], dict[str, Any]], recited: Callable[..., None],
) -> None:  # fmt: skip
    assert ask(TURNS, "--checkpoint", place, "--approve", "read", "--json") == 3
    run = last()["run"]
    recited(*TURNS)
    assert main(["resume", run, "--checkpoint", place, *options]) == 0
    hop = last()["hops"][-1]
    assert hop["approval"] == approval
    assert hop["observation"].get("message", "") == message


def test_a_waiting_run_is_told_as_json(ask: Ask, place: str, capsys: Text) -> None:
    assert ask(TURNS, "--checkpoint", place, "--approve", "read", "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "waiting"
    assert [one["action"]["kind"] for one in told["pending"]] == ["read"]


def test_a_fork_is_said_to_be_one(
    ask: Ask, place: str, last: Callable[[], dict[str, Any]], recited: Callable[..., None],
    tmp_path: Path, capsys: Text,
) -> None:  # fmt: skip
    assert ask(TURNS, "--checkpoint", place) == 0
    run = last()["run"]
    other = tmp_path / "other.json"
    other.write_text('{"kind": "detected", "phrase": "red cube"}')
    recited(*TURNS)
    command = ["fork", run, "--hop", "1", "--observation", str(other), "--checkpoint", place]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fork"] == {"run": run, "hop": 1, "observation": True}
    assert told["hops"][1]["observation"]["message"].startswith("there is no object 2")
    assert main(["runs", "--checkpoint", place]) == 0
    assert f"finished, a fork of {run} at hop 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runs"], "which runs? give --checkpoint sqlite:PATH or postgres:URL, or set FOVEAL_"),
        (["runs", "--checkpoint", "sqlite:/none.db"], "there is no such file; check the path"),
        (["resume", "x", "--checkpoint", "sqlite:/none.db"], "there is no such file"),
        (["resume", "x", "--accept", "--reject"], "exclude each other"),
        (["resume", "x", "--only", "1"], "--only goes with --accept"),
        (["resume", "x", "--region", "1,2,3"], "write a region as X0,Y0,X1,Y1 in pixels"),
        (["fork", "x", "--hop", "1", "--observation", "/none"], "cannot read observation '/none'"),
        (["fork", "x", "--hop", "0"], "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: list[str], told: str, capsys: Text) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_asking_a_person_needs_a_person(ask: Ask, capsys: Text) -> None:
    assert ask(TURNS, "--approve", "read") == 2
    assert "--checkpoint sqlite:PATH to keep the run for one" in capsys.readouterr().err


def test_the_checkpoint_may_be_set(
    ask: Ask, place: str, capsys: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_CHECKPOINT", place)
    assert ask(TURNS, "--approve", "read") == 3
    assert "--checkpoint" not in capsys.readouterr().err
    assert main(["runs"]) == 0
    assert "waiting for approval of read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("\n", "EXIT"),
        ("r too small\n", "a person refused this: too small"),
        ("what?\n0,0,9,9\n", "read the text on"),
    ],
)
def test_a_person_at_the_terminal_is_asked(
    typed: str, shown: str, tmp_path: Path, picture: Path
) -> None:
    script = tmp_path / "turns"
    script.write_text("\n".join(TURNS), encoding="utf-8")
    ours, theirs = pty.openpty()
    words = ["run", "--image", str(picture), "--question", "How many?", "--approve", "read"]
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM.with_name("recite.py")), *words],
        env=os.environ | {"RECITE": str(script), "TERM": "dumb", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    told = _everything(ours)
    os.close(ours)
    assert process.wait() == 0, told
    assert "? read the text on object 2 (red cube) (pixels 50,10,70,30)" in told
    assert shown in told
    assert ("cannot use 'what?'" in told) == typed.startswith("what")


def _everything(terminal: int) -> str:
    said = b""
    try:
        while more := os.read(terminal, 4096):
            said += more
    except OSError:  # the terminal is gone
        return said.decode()
    return said.decode()


def test_what_is_typed_is_a_decision() -> None:
    assert Verdict(accept=True).decision is not None
    assert Verdict().decision is None
    assert decision_of("1,2,3,4", None).region == (1, 2, 3, 4)
    for region, phrase in (("1,2,3,x", None), (None, "<|x"), (None, " ")):
        with pytest.raises(InputError, match="cannot use"):
            decision_of(region, phrase)


class Killed:
    """The embedded profile in processes of its own, and what was asked of specialists in all of them."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"

    def go(self, *words: str, kill: int = 0) -> subprocess.CompletedProcess[str]:
        variables = {"CALLS": str(self._calls), "KILL": str(kill), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, str(PROGRAM), *words],
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """What a run that is left alone answers, and the calls that it takes."""
    process = Killed(tmp_path_factory.mktemp("undisturbed"))
    done = process.go(*SIGN)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), process.calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_killed_run_goes_on_without_asking_twice(
    kind: str,
    request: pytest.FixtureRequest,
    place: str,
    tmp_path: Path,
    undisturbed: tuple[dict[str, Any], list[str]],
) -> None:
    """As `kill -9` leaves it: after the first hop, in the middle of the second."""
    kept = place if kind == "sqlite" else str(request.getfixturevalue("postgres").address)
    expected, calls = undisturbed
    process = Killed(tmp_path)
    done = process.go(*SIGN, "--checkpoint", kept, kill=2)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert process.calls == calls[:1] == ["detector detect"]
    listed = json.loads(process.go("runs", "--checkpoint", kept, "--json").stdout)
    assert (listed[-1]["state"], len(listed[-1]["hops"])) == ("unfinished", 1)
    done = process.go("resume", listed[-1]["run"], "--checkpoint", kept, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["answer"] == expected["answer"] != ""
    assert told["evidence"] == expected["evidence"]
    assert len(told["hops"]) == len(expected["hops"]) == 2
    assert process.calls == calls
