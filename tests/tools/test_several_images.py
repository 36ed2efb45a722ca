"""A question about two images over every carrier: in this process, on Ray, on a cluster of two raylets."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.observations import Detected, Looked, Segmented
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.tools.base import Dispatcher
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore, content_hash

Pixels = NDArray[np.uint8]
BOTH = "<|detect_start|>cup<|detect_end|><|detect_start|><|img_2|>cup<|detect_end|>"
OUTLINES = "<|segment_start|><|obj_1|><|segment_end|><|segment_start|><|obj_2|><|segment_end|>"
LOOK_2 = "<|region_token_start|><|img_2|><|x_0|><|y_0|><|x_7|><|y_7|><|region_token_end|>"


@pytest.fixture
def pair(photo: Pixels) -> list[Pixels]:
    """Two pictures of different size and brightness."""
    return [photo, np.full((40, 50, 3), 200, np.uint8)]


@pytest.fixture
def agent(dispatcher: Dispatcher, store: ImageStore) -> Iterator[Agent]:
    model = ScriptedModel([BOTH, OUTLINES, LOOK_2, "the second"])
    with Agent(model=model, dispatcher=dispatcher, store=store) as made:
        yield made


def test_each_action_reaches_the_image_that_it_is_about(agent: Agent, pair: list[Pixels]) -> None:
    result = agent.ask(pair, "Which one has more cups?")
    assert (result.answer, result.notes) == ("the second", ())
    assert [hop.image for hop in result.hops] == [1, 2, 1, 2, 2]
    hashes = [content_hash(one) for one in pair]
    assert list(result.images) == hashes
    observations = [hop.observation for hop in result.hops]
    for seen, pixels, name in zip(observations[:2], pair, hashes, strict=True):
        assert isinstance(seen, Detected)
        (found,) = seen.objects
        assert (found.box.image, found.score) == (name, round(float(pixels.mean()), 3))
    for seen, name in zip(observations[2:4], hashes, strict=True):
        assert isinstance(seen, Segmented)
        assert seen.box.image == name
    assert isinstance(observations[4], Looked)
    assert observations[4].views[0].source.image == hashes[1]


def test_every_image_travels_once_and_is_let_go(
    agent: Agent, dispatcher: Dispatcher, pair: list[Pixels], store: ImageStore
) -> None:
    agent.ask(pair, "Which one has more cups?")
    store.budget = 0
    store.put(np.zeros((2, 2, 3), np.uint8))
    assert not any(content_hash(one) in store for one in pair)
    if isinstance(dispatcher, RayDispatcher):
        assert dispatcher.usage.puts == 2 + 2, "the images, and what was drawn of each outline"
