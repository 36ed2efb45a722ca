"""Pictures on their way to a server: of the size and type that their URL says, and no larger than allowed."""

from base64 import b64decode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.openai.pictures import LARGEST, PATCH, SMALLEST, Shown, shown, shown_size


def opened(picture: Shown) -> Image.Image:
    head, data = picture.url.split(",", 1)
    image = Image.open(BytesIO(b64decode(data, validate=True)))
    assert head == f"data:image/{image.format.lower() if image.format else ''};base64"
    return image


def noise(width: int, height: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((640, 480), (640, 480)),
        ((2048, 2048), (2048, 2048)),
        ((4096, 2160), (2048, 1080)),  # the longer side counts
        ((1000, 8000), (256, 2048)),
        ((40, 100), (56, 140)),  # the shorter side is brought up
        ((1, 1), (56, 56)),
        ((10_000, 10), (2048, 56)),  # too long to keep its aspect
    ],
)
def test_sizes(size: tuple[int, int], sent: tuple[int, int]) -> None:
    assert shown_size(size) == sent


@pytest.mark.parametrize("size", [(640, 480), (4096, 2160), (1, 1), (10_000, 10), (2048, 2048)])
def test_sizes_in_whole_patches(size: tuple[int, int]) -> None:
    for side in shown_size(size, PATCH):
        assert side % PATCH == 0
        assert SMALLEST <= side <= LARGEST


@pytest.mark.parametrize(("width", "height", "kind"), [(128, 128, "PNG"), (129, 128, "JPEG")])
def test_small_pictures_lose_nothing_and_large_ones_little(
    width: int, height: int, kind: str
) -> None:
    pixels = noise(width, height)
    image = opened(shown(pixels, "x"))
    assert (image.format, image.size, image.mode) == (kind, (width, height), "RGB")
    assert (np.asarray(image) == pixels).all() == (kind == "PNG")


def test_a_picture_is_scaled_to_the_size_asked_for() -> None:
    assert opened(shown(noise(100, 80), "x", (140, 112))).size == (140, 112)
    assert opened(shown(noise(30, 20), "x")).size == (84, 56)


def test_a_view_of_a_larger_array_is_encoded_alone() -> None:
    pixels = noise(300, 200)
    assert opened(shown(pixels[10:70, 20:90], "x")).size == (70, 60)
    assert shown(pixels[10:70, 20:90], "x") == shown(pixels[10:70, 20:90].copy(), "x")


def test_even_the_worst_picture_is_small_enough_to_send() -> None:
    assert len(shown(noise(2048, 2048), "x").url) < 8 * 2**20


def test_the_name_says_what_is_sent() -> None:
    assert shown(noise(100, 80), "abc").name == "abc-100x80-png"
    assert shown(noise(100, 80), "abc", (200, 160)).name == "abc-200x160-jpeg"
