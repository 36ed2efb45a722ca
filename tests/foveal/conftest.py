"""The command line, in this process or in one of its own, with a model that recites."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from foveal.cli import main
from foveal.graphs import agent
from foveal.graphs.carriers import carrier

PROGRAM = Path(__file__).with_name("recite.py")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture, 96 x 64."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (96, 64), "gray").save(path)
    return path


@pytest.fixture
def recited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets agents of this process say the given turns, until the test ends."""
    monkeypatch.setattr(agent, "_model", agent._model)
    monkeypatch.setattr(agent, "carrier", carrier)
    recite = runpy.run_path(str(PROGRAM))["recite"]
    return lambda *turns: recite(turns)


@pytest.fixture
def ask(picture: Path, recited: Callable[..., None]) -> Callable[..., int]:
    """`agent run` about the picture in this process: the turns, then more options."""

    def run(turns: list[str], *options: str) -> int:
        recited(*turns)
        return main(["run", "--image", str(picture), "--question", "How many?", *options])

    return run


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts the command line with a reciting model in a process of its own."""

    def start(
        turns: list[str], *arguments: str, stdout: int = subprocess.PIPE, term: str = "xterm"
    ) -> subprocess.Popen[bytes]:
        script = tmp_path / "turns"
        script.write_text("\n".join(turns), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            env={**os.environ, "RECITE": str(script), "TERM": term},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    return start
