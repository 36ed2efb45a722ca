"""How boxes lie to each other: overlap, and whether a crop holds what was to be seen."""

XYXY = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; right and bottom are outside."""

HELD = 0.75
"""Share of a target's box that a crop must hold, beside the middle of it."""


def contains(crop: XYXY, target: XYXY) -> bool:
    """Whether a crop holds the middle of a target's box and at least HELD of its area."""
    x, y = (target[0] + target[2]) / 2, (target[1] + target[3]) / 2
    middle = crop[0] <= x <= crop[2] and crop[1] <= y <= crop[3]
    return middle and _both(crop, target) >= HELD * area(target)


def iou(one: XYXY, other: XYXY) -> float:
    """Intersection over union."""
    both = _both(one, other)
    return both / (area(one) + area(other) - both)


def area(box: XYXY) -> float:
    """Square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _both(one: XYXY, other: XYXY) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)
