"""Which part of an image a segmenter looks at: all of it, or a part around a target that would be too small.

Segment Anything's own generator of masks looks at crops for the same reason ("crop layers" of Kirillov et al.,
2023).
"""

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, half-open."""

LEAST = 32
"""Pixels that a part measures at least, where the image has them."""


def window_of(
    xyxy: tuple[float, float, float, float], width: int, height: int, zoom: float
) -> Window:
    """A square `zoom` times as long as the target, around it and inside the image; all of a smaller image.

    With a zoom of 0 always all of the image.
    """
    x0, y0, x1, y1 = xyxy
    side = max(round(zoom * max(x1 - x0, y1 - y0)), LEAST)
    if not zoom or side >= max(width, height):
        return 0, 0, width, height
    left, right = _stretch((x0 + x1) / 2, side, width)
    top, bottom = _stretch((y0 + y1) / 2, side, height)
    return left, top, right, bottom


def _stretch(middle: float, length: int, extent: int) -> tuple[int, int]:
    start = min(max(round(middle - length / 2), 0), max(extent - length, 0))
    return start, min(start + length, extent)
