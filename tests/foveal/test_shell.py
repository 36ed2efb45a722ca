"""The habits of a shell: help with examples, completion, loudness, colours, settings, lines that can be pasted."""

import io
import json
import logging
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from foveal.agent.choosing import choose
from foveal.agent.hub.progress import announce
from foveal.agent.weights import SUMS
from foveal.cli import app, main
from foveal.following import latest
from foveal.verbosity import restored, set_to

FIND = "<|detect_start|>red cube<|detect_end|>"
STRAY = "<|region_token_end|>"
PROGRAM = "import sys\nfrom foveal.cli import main\nsys.exit(main())"
ROOT: Any = typer.main.get_command(app)


def verbs(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Every verb that does something, as it is typed."""
    below = getattr(command, "commands", {})
    for name, one in below.items():
        yield from verbs(one, *path, name)
    if not below:
        yield path


def agent(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`agent` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("path", list(verbs(ROOT)), ids=" ".join)
def test_every_verb_shows_examples_of_itself(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    _, found, shown = capsys.readouterr().out.partition("Examples:")
    assert found
    assert f"agent {' '.join(path)}" in shown


def test_the_overview_is_in_groups_and_tells_the_exit_codes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "─ Commands ─" not in out, "every verb stands in a group"
    for told in ("0 done", "1 done, but", "2 wrong input", "130 interrupted", "141 nobody reads"):
        assert told in out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"foveal \d+\.\d+\S*\n", capsys.readouterr().out)


BASH = """
source <(agent completion bash)
asked() {
    COMP_WORDS=(agent "$@") COMP_CWORD=$#
    COMPREPLY=()
    $(complete -p agent | sed 's/.*-F \\([^ ]*\\).*/\\1/') agent
    echo "${COMPREPLY[*]}" | tr '\\n' ' '
    echo
}
asked ru
asked run --ver
asked run --profile emb
asked pool sta
"""


def test_bash_completes_verbs_options_and_values(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{PROGRAM}' \"$@\"\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    verb, option, value, below = (line.split() for line in done.stdout.splitlines())
    assert {"run", "runs"} >= set(verb) >= {"run"}
    assert {"--verify", "--verbose"} == set(option)
    assert value == ["embedded"]
    assert below == ["status"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_AGENT_COMPLETE=complete_" in capsys.readouterr().out


def test_completing_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom foveal.cli import main\ntry: main([])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    asked = {
        "_AGENT_COMPLETE": "complete_bash",
        "COMP_WORDS": "agent run --profile e",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "embedded"
    assert not {"torch", "ray", "transformers", "langgraph"} & set(done.stderr.split())


def test_quiet_leaves_the_answer_alone(
    ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([STRAY, FIND, "2"], "--verify") == 0
    assert "agent: note: " in capsys.readouterr().err
    assert ask([STRAY, FIND, "2"], "--verify", "--quiet") == 0
    assert capsys.readouterr() == ("2\n", "")


def test_quiet_announces_no_download(capsys: pytest.CaptureFixture[str]) -> None:
    announce("a model needs 5 GB")
    assert capsys.readouterr().err == "foveal: a model needs 5 GB\n"
    with restored():
        set_to(True, 0)
        announce("a model needs 5 GB")
    assert capsys.readouterr().err == ""


def test_quiet_does_not_hide_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "run", "--image", "nowhere.png", "--question", "?"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_verbose_logs_what_is_done(
    ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask([FIND, "2"], "-v") == 0
    out, err = capsys.readouterr()
    assert out == "2\n"
    assert re.search(r'agent: \d+\.\d\d s, asking: detect "red cube"', err)
    assert ask([FIND, "2"]) == 0
    assert 'detect "red cube"' not in capsys.readouterr().err, "it lasts for one command"


def test_twice_verbose_logs_what_libraries_do(capsys: pytest.CaptureFixture[str]) -> None:
    with restored():
        set_to(False, 1)
        logging.getLogger("foreign").info("once")
        set_to(False, 2)
        logging.getLogger("foreign").info("twice \x1b[31m")
    logging.getLogger("foreign").info("never")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.endswith("s, foreign: twice \ufffd[31m\n")


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-q", "-v"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_several_questions_come_on_stdin(
    ask: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("How many?\n\nAnd now?\n"))
    assert ask(["2"], "--question", "-") == 0
    assert capsys.readouterr().out == "2\n2\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("How many?\nAnd now?\n"))
    assert ask(["2"], "--question", "-", "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["question"] for one in told] == ["How many?", "And now?"]


def test_a_line_of_answers_belongs_to_a_line_of_questions(
    ask: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("How many?\nAnd now?\n"))
    assert ask([""], "--question", "-") == 1
    assert capsys.readouterr().out == "\n\n"


def test_hops_are_told_below_their_question(
    ask: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("How many?\nAnd now?\n"))
    assert ask([FIND, "2"], "--question", "-", "--hops") == 0
    out = capsys.readouterr().out
    told = ["How many?", "2 found", "confidence", "And now?", "2 found", "confidence"]
    assert re.search(".*".join(map(re.escape, told)), out, re.DOTALL)


@pytest.mark.parametrize(
    ("image", "text", "reason"),
    [("-", "What?\n", "stdin can hold the image or the questions"), ("", "\n", "no question")],
)
def test_stdin_must_hold_questions_alone(
    image: str, text: str, reason: str, picture: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["run", "--image", image or str(picture), "--question", "-"]) == 2
    assert reason in capsys.readouterr().err


def screen(*words: str, program: str = PROGRAM, **environment: str) -> str:
    """What `agent`, or another program, writes on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        return b"".join(iter(lambda: read(ours), b"")).decode(errors="replace")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""


COLOUR = re.compile(r"\x1b\[[\d;]*3[1-7]m")
MOVES = re.compile(r"\x1b\[\d*[A-HJK]|\x1b\[\?25")


def test_colours_follow_the_terminal_and_the_variables() -> None:
    assert COLOUR.search(screen("--help"))
    assert not COLOUR.search(screen("--help", NO_COLOR="1"))
    assert "\x1b" not in screen("--help", TERM="dumb", NO_COLOR="1")
    assert not COLOUR.search(agent("--help").stdout)
    assert COLOUR.search(agent("--help", FORCE_COLOR="1", TERM="xterm-256color").stdout)


def test_a_pipe_is_coloured_on_request_and_never_moves(
    ask: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ask([FIND, "2"], "--hops") == 0
    out = capsys.readouterr().out
    assert COLOUR.search(out)
    assert not MOVES.search(out)
    monkeypatch.setenv("NO_COLOR", "1")
    assert ask([FIND, "2"], "--hops") == 0
    assert not COLOUR.search(capsys.readouterr().out)


def test_a_dumb_terminal_sees_nothing_move(command: Callable[..., Any], picture: Path) -> None:
    ours, theirs = pty.openpty()
    words = ["run", "--image", str(picture), "--question", "How many?"]
    process = command([FIND, "2"], *words, stdout=theirs, term="dumb")
    os.close(theirs)
    seen = b"".join(iter(lambda: read(ours), b"")).decode()
    process.communicate()
    assert "2 found" in seen
    assert not MOVES.search(seen)


def test_settings_are_printed_as_a_file_that_sets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my settings.toml"
    file.write_text('profile = "openai"\ndevice = "mps"\napi_key = "hidden"\n', encoding="utf-8")
    monkeypatch.setenv("FOVEAL_CONFIG", str(file))
    monkeypatch.setenv("FOVEAL_DEVICE", "cuda")
    assert main(["config"]) == 0
    out = capsys.readouterr().out
    assert "hidden" not in out
    assert out.startswith(f"# {file}\n")
    values = tomllib.loads(out)
    assert (values["profile"], values["device"], values["max_pixels"]) == ("openai", "cuda", 10**8)
    assert re.search(rf'^profile = "openai" +# {re.escape(str(file))}$', out, re.MULTILINE)
    assert re.search(r'^device = "cuda" +# FOVEAL_DEVICE$', out, re.MULTILINE)
    assert re.search(r"^# api_key = \.\.\. ", out, re.MULTILINE)
    assert main(["config", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(file)
    assert told["settings"]["device"] == {"value": "cuda", "from": "FOVEAL_DEVICE"}
    assert told["settings"]["cache"] == {"value": None, "from": "default"}
    file.write_text(out, encoding="utf-8")
    monkeypatch.setenv("FOVEAL_DEVCIE", "cuda")
    assert main(["config"]) == 0
    assert "# FOVEAL_DEVCIE is set, and no setting" in capsys.readouterr().out


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('profile = "vpt-2b-clip"\nbase_url = "http://file/v1"\n', encoding="utf-8")
    assert choose().name == "embedded"
    monkeypatch.setenv("FOVEAL_CONFIG", str(file))
    assert choose().name == "vpt-2b-clip"
    assert choose("openai").base_url == "http://file/v1"
    monkeypatch.setenv("FOVEAL_PROFILE", "vpt-2b-sam")
    monkeypatch.setenv("FOVEAL_BASE_URL", "http://variable/v1")
    assert choose().name == "vpt-2b-sam"
    assert choose("openai").base_url == "http://variable/v1"
    assert choose("vpt-2b-free").name == "vpt-2b-free"
    assert choose("openai", base_url="http://typed/v1").base_url == "http://typed/v1"


def test_a_command_that_an_error_names_can_be_pasted(
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "my 'own' weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / SUMS).write_text("")
    monkeypatch.setenv("FOVEAL_WEIGHTS", str(folder))
    assert main(["run", "--image", str(picture), "--question", "?"]) == 2
    _, found, pasted = capsys.readouterr().err.partition("if you trust it: ")
    assert found
    subprocess.run(["bash", "-c", pasted], check=True, capture_output=True)
    assert (folder / SUMS).read_text().endswith("  config.json\n")
    assert shlex.split(pasted)[1] == str(folder)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["rnu"], "run"),
        (["run", "--questoin", "?"], "--question"),
        (["pool", "stats"], "status"),
        (["train", "depth", "--minuts", "3"], "--minutes"),
    ],
)
def test_what_was_probably_meant_is_named(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert meant in err.replace(" ".join(words), "")
    assert err.count("\n") == 1


WAIT = """
import sys, time
from foveal import terminal, verbosity
verbosity.set_to("quiet" in sys.argv, 0)
with terminal.waiting("loading") as say:
    time.sleep(0.3)
    say("still \\x1b[31m loading")
    time.sleep(0.3)
print("done")
"""


@pytest.mark.parametrize(
    ("term", "words", "moves"),
    [("xterm", [], True), ("dumb", [], False), ("xterm", ["quiet"], False)],
)
def test_what_is_waited_for_is_said_where_it_can_be_taken_back(
    term: str, words: list[str], moves: bool
) -> None:
    seen = screen(*words, program=WAIT, TERM=term)
    assert ("loading" in seen) == moves
    assert ("still" in seen) == moves
    assert "\x1b[31m" not in seen
    assert seen.endswith("done\r\n")
    if moves:
        assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l") >= 0


def test_a_training_says_how_far_it_is(tmp_path: Path) -> None:
    assert latest(tmp_path) == ""
    (tmp_path / "stage").mkdir()
    log = tmp_path / "stage" / "log.jsonl"
    log.write_text(
        '{"step": 20, "seconds": 3.5, "loss": 0.123456}\n{"step": 40, "se', encoding="utf-8"
    )
    assert latest(tmp_path) == "step 20, seconds 3.5, loss 0.1235"


def test_whoever_stops_reading_is_no_error() -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "config"], stdout=ours, stderr=subprocess.PIPE
    )
    os.close(ours)
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")


def test_an_interrupt_leaves_the_terminal_as_it_was(
    command: Callable[..., Any], picture: Path
) -> None:
    ours, theirs = pty.openpty()
    words = ["run", "--image", str(picture), "--question", "?"]
    process = command(
        ["!0.2", *[FIND.replace("red", str(n)) for n in range(60)]], *words, stdout=theirs
    )
    os.close(theirs)
    seen = b""
    while b"found" not in seen:
        seen += read(ours)
    process.send_signal(signal.SIGINT)
    seen += b"".join(iter(lambda: read(ours), b""))
    _, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l") >= 0, "the cursor is back"
