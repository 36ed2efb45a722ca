"""Agents that recite, look at the painted picture, and keep their runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foveal.graphs.agent import Agent


@pytest.fixture
def picture_file(tmp_path: Path, picture: Any) -> Path:
    """The painted picture as a file."""
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'runs.db'}"


@pytest.fixture
def agent(checkpoint: str, painter: Any, reciter: Any) -> Iterator[Callable[..., Agent]]:
    """Makes agents, each as a process of its own would, from the model's turns."""
    made: list[Agent] = []

    def make(*turns: str, **options: Any) -> Agent:
        options = {
            "model": reciter(*turns, instructed=False),
            "checkpoint": checkpoint,
            "dispatcher": painter,
            "store": painter.store,
        } | options
        made.append(Agent(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()
