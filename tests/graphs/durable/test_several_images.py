"""A run about two images that was cut off, or waits for a person."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.graphs.agent import Agent
from foveal.graphs.approval import ApprovalNeeded
from foveal.tools.store import ImageStore, content_hash

BOTH = "<|detect_start|>red<|detect_end|><|detect_start|><|img_2|>red<|detect_end|>"
LOOK_3 = "<|look_start|><|obj_3|><|look_end|>"
READ_2 = "<|read_start|><|img_2|><|read_end|>"
Make = Callable[..., Agent]


class Cut(BaseException):
    """The end of a process, as the code in it sees it."""


@pytest.fixture
def pair(picture: Any, picture_file: Path, tmp_path: Path) -> list[Path]:
    """The picture, and its left two thirds: of another size."""
    second = tmp_path / "second.png"
    Image.fromarray(np.ascontiguousarray(picture[:60, :64])).save(second)
    return [picture_file, second]


def test_it_goes_on_with_both(agent: Make, painter: Any, pair: list[Path]) -> None:
    async def end(action: Any) -> None:
        if action.kind == "look":
            raise Cut

    painter.before = end
    first = agent(BOTH, LOOK_3, "the first")
    with pytest.raises(Cut):
        first.ask(pair, "Which one has more?")
    (kept,) = first.runs.all()
    assert kept.images == tuple(map(str, pair))
    painter.before, painter.store = None, ImageStore()
    again = agent(BOTH, LOOK_3, "the first", store=painter.store, dispatcher=painter)
    with pytest.raises(InputError, match="about 2 images, and 1 were given"):
        again.runs.resume(kept.run, images=pair[:1])
    result = again.runs.resume(kept.run)
    assert (result.answer, [hop.image for hop in result.hops]) == ("the first", [1, 2, 2])
    assert [action.kind for action in painter.calls] == ["detect", "detect", "look", "look"]


def test_a_person_is_shown_the_image_that_an_action_is_about(agent: Make, pair: list[Path]) -> None:
    one = agent(READ_2, "exit", approve="read")
    with pytest.raises(ApprovalNeeded) as waits:
        one.ask(pair, "What does it say?")
    (pending,) = waits.value.pending
    with Image.open(pair[1]) as second:
        assert pending.image == content_hash(np.asarray(second))
        assert pending.size == second.size
