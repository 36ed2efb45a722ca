"""`agent trace`: the page is written and shown, or one line says why not; its parts are in the wheel."""

import json
import subprocess
import sys
import tomllib
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from foveal.cli import main
from foveal.graphs.trace import Event, Started, read


def test_agent_trace_writes_beside_the_trace_and_says_where(
    written: Callable[[list[Event]], Path],
    everything: list[Event],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = written(everything)
    assert main(["trace", str(path)]) == 0
    page = path.with_suffix(".html")
    assert capsys.readouterr().out == f"{page}\n"
    assert "the second square" in page.read_text(encoding="utf-8")


def test_agent_trace_opens_it_for_somebody_at_a_terminal(
    written: Callable[[list[Event]], Path],
    everything: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    path = written(everything)
    assert main(["trace", str(path), "--no-open"]) == 0
    assert opened == []
    assert main(["trace", str(path)]) == 0
    assert opened == [path.with_suffix(".html").as_uri()]


def test_a_pipe_gets_the_page(
    written: Callable[[list[Event]], Path], everything: list[Event]
) -> None:
    command = [sys.executable, "-m", "foveal.cli", "trace", str(written(everything)), "--out", "-"]
    code = "import sys; from foveal.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *command[3:]], capture_output=True, check=True
    )
    assert done.stdout.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["/nowhere.jsonl"], "cannot read the trace"),
        (["{trace}", "--image", "/nowhere.png"], "does not exist"),
        (["{trace}", "--out", "/nowhere/page.html"], "cannot write"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    written: Callable[[list[Event]], Path], everything: list[Event], arguments: list[str], reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    trace = str(written(everything))
    assert main(["trace", *(word.format(trace=trace) for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_old_traces_have_pages_too(
    everything: list[Event], written: Callable[[list[Event]], Path]
) -> None:
    path = written(everything)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for name in ("sources", "sketch"):
            line.pop(name, None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert main(["trace", str(path)]) == 0
    assert isinstance(everything[0], Started)


def test_a_trace_says_where_its_image_came_from(
    ask: Callable[..., int], tmp_path: Path, picture: Path
) -> None:
    assert ask(["none"], "--trace", str(tmp_path / "traces")) == 0
    [trace] = (tmp_path / "traces").glob("*.jsonl")
    started = read(trace)[0]
    assert isinstance(started, Started)
    assert started.sources == (str(picture),)
    assert main(["trace", str(trace)]) == 0
    assert 'id="plate-0"' in trace.with_suffix(".html").read_text(encoding="utf-8")


def test_every_file_of_the_page_is_in_the_wheel() -> None:
    root = Path(__file__).parents[3]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = declared["tool"]["setuptools"]["package-data"]["foveal.page"]
    parts = [
        path
        for path in (root / "foveal" / "page").iterdir()
        if path.is_file() and path.suffix != ".py"
    ]
    assert {"page.html", "page.css", "page.js"} <= {path.name for path in parts}
    assert [path.name for path in parts if not any(map(path.match, patterns))] == []


def test_a_kept_run_is_shown_by_its_id(
    ask: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--checkpoint", f"sqlite:{tmp_path / 'runs.db'}"]
    assert ask(["none"], *place) == 0
    assert main(["trace", "last", *place]) == 2
    assert "was not traced" in capsys.readouterr().err
    assert ask(["none"], *place, "--trace", str(tmp_path / "traces")) == 0
    capsys.readouterr()
    assert main(["trace", "last", *place]) == 0
    [page] = (tmp_path / "traces").glob("*.html")
    assert capsys.readouterr().out == f"{page}\n"
