"""The paper's resize: the sizes that its data pipeline gave, and which pixels stay."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.errors import InputError
from foveal.agent.resizing import SMALLEST, capped, resized

Row = dict[str, Any]
ROWS: list[Row] = json.loads(
    (Path(__file__).parents[1] / "data/vpt/preprocess_sizes.json").read_text(encoding="utf-8")
)
SIZES = {512: "qwen_cap512", 224: "qwen_cap224", 1024: "cap1024"}


def of(row: Row) -> str:
    return f"{row['width']}x{row['height']}"


def test_golden_rows_are_all_there() -> None:
    assert len({of(row) for row in ROWS}) == 27


@pytest.mark.parametrize("cap", SIZES)
@pytest.mark.parametrize("row", ROWS, ids=of)
def test_golden_sizes(row: Row, cap: int) -> None:
    pixels = np.zeros((row["height"], row["width"], 3), np.uint8)
    name = SIZES[cap]
    if f"{name}_error" in row:
        with pytest.raises(
            InputError, match=f"{row['width']} x {row['height']} pixels is too narrow"
        ):
            resized(pixels, cap)
    else:
        assert list(resized(pixels, cap).shape) == [*row[name][::-1], 3]


@pytest.mark.parametrize(
    ("width", "height", "cap", "size"),
    [
        (561, 561, 512, (511, 511)),  # 561 * (512 / 561) is a little less than 512
        (1122, 10, 1024, (1023, 9)),
        (512, 512, 512, (512, 512)),
        (513, 512, 512, (512, 511)),
    ],
)
def test_sides_are_multiplied_by_the_factor(
    width: int, height: int, cap: int, size: tuple[int, int]
) -> None:
    assert capped(width, height, cap) == size


def test_what_fits_is_not_touched() -> None:
    pixels = np.zeros((SMALLEST, 512, 3), np.uint8)
    assert resized(pixels, 512) is pixels


def test_nearest_neighbours_stay() -> None:
    """Half the size: of each pair the pixel under the middle of the new one, and no mixture."""
    row = np.arange(200, dtype=np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(row[None, :, None], (100, 200, 3)))
    assert (resized(pixels, 100)[:, :, 0] == row[1::2]).all()


def test_narrow_sides_are_enlarged_after_the_cap() -> None:
    """Down to 2 columns first, then up to 28: columns that the cap drops do not come back."""
    pixels = np.zeros((1024, 4, 3), np.uint8)
    pixels[:, :, 0] = [10, 20, 30, 40]
    out = resized(pixels, 512)
    assert out.shape == (512, SMALLEST, 3)
    assert out[0, :, 0].tolist() == [20] * 14 + [40] * 14


def test_pictures_may_be_read_only_views() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 700, 3), np.uint8)
    pixels.flags.writeable = False
    part = pixels[10:890, 5:650]
    assert np.array_equal(resized(part, 512), resized(part.copy(), 512))
