"""A small target is looked at more closely, and never beyond the image."""

import pytest

from foveal.tools.zoom import LEAST, Window, window_of


@pytest.mark.parametrize(
    ("xyxy", "zoom", "window"),
    [
        ((100, 100, 120, 110), 3.0, (80, 75, 140, 135)),
        ((100, 100, 120, 110), 0, (0, 0, 400, 300)),
        ((0, 0, 20, 20), 3.0, (0, 0, 60, 60)),
        ((380, 290, 400, 300), 3.0, (340, 240, 400, 300)),
        ((0, 0, 200, 100), 3.0, (0, 0, 400, 300)),
        ((0, 100, 110, 200), 3.0, (0, 0, 330, 300)),
        ((50, 50, 52, 53), 3.0, (35, 36, 67, 68)),
    ],
)
def test_the_part_is_a_square_around_the_target(
    xyxy: tuple[float, float, float, float], zoom: float, window: Window
) -> None:
    found = window_of(xyxy, 400, 300, zoom)
    assert found == window
    assert min(found[2] - found[0], found[3] - found[1]) >= LEAST


def test_an_image_smaller_than_the_least_part_is_seen_whole() -> None:
    assert window_of((2, 2, 4, 4), 20, 10, 3.0) == (0, 0, 20, 10)
