"""Look and Reencode: which pixels are shown, and their tokens from the model's own vision tower."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Depth, Look, Object, Reencode, Region
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Looked, Reencoded
from foveal.tools.base import Mark, Request
from foveal.tools.encoder import Encoder, crop_of

PHOTO = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)
OBJECT, REGION = Look(target=Object(index=3)), Look(target=Region(x0=1, y0=1, x1=2, y1=2))


def mark(*xyxy: float) -> Mark:
    return Mark(Box(image="a", xyxy=(xyxy[0], xyxy[1], xyxy[2], xyxy[3])), 3, "red cube")


CROPS = [
    (OBJECT, (100, 100, 200, 140), (75, 90, 225, 150)),  # a quarter of its size on every side
    (OBJECT, (0, 0, 40, 40), (0, 0, 50, 50)),  # cut at the border
    (OBJECT, (300, 200, 304, 204), (288, 188, 316, 216)),  # at least 28 pixels
    (OBJECT, (598, 398, 600, 400), (572, 372, 600, 400)),  # and inside the image
    (REGION, (75, 50, 300, 200), (75, 50, 300, 200)),  # its margin is in the box already
]


@pytest.mark.parametrize(("action", "box", "crop"), CROPS)
def test_crops(action: Look, box: tuple[float, ...], crop: tuple[int, ...]) -> None:
    assert crop_of(mark(*box), action, 600, 400) == crop


@pytest.fixture(scope="module")
def folder(tiny_weights: Path) -> Path:
    return tiny_weights


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    return Encoder.from_folder(folder)


def test_a_look_shows_the_crop(encoder: Encoder, folder: Path) -> None:
    from foveal.agent.vision import VisionEncoder

    [reply] = encoder.run([Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),))])
    seen, [features] = reply.observation, reply.features
    assert isinstance(seen, Looked)
    assert (seen.index, seen.label) == (3, "red cube")
    [view] = seen.views
    assert view.role == "crop"
    assert view.pixels == view.source == Box(image="a", xyxy=(75, 90, 225, 150))
    expected = VisionEncoder.from_folder(folder).encode(PHOTO[90:150, 75:225])
    assert np.array_equal(features.values, expected.values)
    assert features.grid == expected.grid
    frames, rows, columns = features.grid
    assert len(features.values) == frames * rows * columns // 4


def test_the_whole_image_again(encoder: Encoder) -> None:
    [reply] = encoder.run([Request(Reencode(encoder="clip"), "a", PHOTO)])
    assert isinstance(reply.observation, Reencoded)
    assert reply.observation.views[0].source.xyxy == (0, 0, 600, 400)


def test_the_same_crop_is_encoded_once(encoder: Encoder) -> None:
    look = Request(OBJECT, "a", PHOTO, (mark(100, 100, 200, 140),))
    first, second = encoder.run([look, look])
    assert encoder.encoded == 1
    assert first.features == second.features
    encoder.run([Request(REGION, "a", PHOTO, (mark(100, 100, 200, 140),))])
    assert encoder.encoded == 2


@pytest.mark.parametrize("name", ["detection", "seg"])
def test_an_encoder_that_is_not_there_is_named(encoder: Encoder, name: str) -> None:
    with pytest.raises(SpecialistError, match=f"has no {name!r} re-encoder"):
        encoder.run([Request(Reencode(encoder=name), "a", PHOTO)])  # type: ignore[arg-type]


def test_what_it_cannot_do(encoder: Encoder) -> None:
    with pytest.raises(TypeError, match="one resolved target"):
        encoder.run([Request(OBJECT, "a", PHOTO)])
    with pytest.raises(TypeError, match="cannot depth"):
        encoder.run([Request(Depth(), "a", PHOTO)])


def test_it_warms_up(encoder: Encoder) -> None:
    encoder.warm_up()
    assert encoder.encoded == 0, "warming up is not a request"


def test_a_tiny_crop_is_encoded(encoder: Encoder) -> None:
    dot: NDArray[np.uint8] = PHOTO[:3, :5]
    [reply] = encoder.run([Request(Reencode(encoder="clip"), "dot", dot)])
    assert reply.features[0].values.shape[0] >= 1
