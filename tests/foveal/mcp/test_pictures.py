"""What a client is shown is what there is, and no larger than it needs."""

import base64
import io

import numpy as np
from mcp_types import ImageContent
from PIL import Image

from foveal.graphs.marked import COLOUR, LONGEST
from foveal.mcp import pictures


def opened(content: ImageContent) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(content.data))) as image:
        return np.asarray(image.convert("RGB"))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_small_crop_is_exact() -> None:
    pixels = noise(60, 80)
    assert (opened(pictures.crop(pixels, (10, 20, 40, 50))) == pixels[20:50, 10:40]).all()
    assert opened(pictures.crop(pixels, (10.4, 20, 10.4, 20))).shape == (1, 1, 3)


def test_a_large_picture_is_scaled_down_and_compressed() -> None:
    shown = pictures.picture(noise(600, 3 * LONGEST))
    assert opened(shown).shape == (200, LONGEST, 3)
    assert shown.mime_type == "image/jpeg"


def test_boxes_are_drawn_where_they_are() -> None:
    grey = np.full((100, 120, 3), 90, np.uint8)
    drawn = opened(pictures.numbered(grey, [(20, 30, 60, 70), (80, 10, 119, 90)]))
    changed = (drawn != grey).any(axis=2)
    assert tuple(drawn[69, 40]) == tuple(drawn[50, 59]) == tuple(drawn[50, 81]) == COLOUR
    assert not changed[45:65, 35:55].any()
    assert not changed[75:, :75].any()


def test_boxes_of_a_large_image_are_scaled_with_it() -> None:
    grey = np.full((4 * LONGEST, 4 * LONGEST, 3), 90, np.uint8)
    drawn = opened(pictures.numbered(grey, [(0, 0, 2 * LONGEST, 2 * LONGEST)]))
    red = drawn[:, :, 0] > 200
    assert red[LONGEST // 4, LONGEST // 2 - 2]
    assert not red[LONGEST // 4, LONGEST // 2 + 8]


def test_an_outline_is_tinted() -> None:
    pixels = noise(40, 40)
    mask = np.zeros((40, 40), np.bool_)
    mask[10:20, 5:25] = True
    drawn = opened(pictures.outlined(pixels, mask))
    assert (drawn[~mask] == pixels[~mask]).all()
    assert (drawn[mask] != pixels[mask]).any()
    alone = opened(pictures.stencil(mask))
    assert ((alone == 255).all(axis=2) == mask).all()


def test_a_map_has_the_shape_of_its_image() -> None:
    levels = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    assert opened(pictures.stretched(levels, 120, 60)).shape == (60, 120, 3)
    assert opened(pictures.stretched(levels, 4 * LONGEST, LONGEST)).shape == (256, LONGEST, 3)
