"""Small changes to a picture that leave the names of colours and shapes alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.training.scenes import SIDE, Scenes

GREY = 114
"""What surrounds a picture, as in the letterbox of the detector."""

REMAINS = 0.3
"""A thing of which less than this share is left in the frame is no longer asked for."""


@dataclass(frozen=True)
class Sample:
    """`image`: side x side x 3, uint8 RGB. `names`: n class numbers. `boxes`: n x 4, xyxy pixels of the image."""

    image: NDArray[np.uint8]
    names: NDArray[np.int64]
    boxes: NDArray[np.float32]


def move(scenes: Scenes, row: int, side: int, rng: np.random.Generator) -> Sample:
    """The scene scaled, shifted and perhaps mirrored; one time in four just as it is served."""
    import cv2

    still = rng.random() < 0.25
    zoom = side / SIDE * (1.0 if still else rng.uniform(0.8, 1.25))
    sign = -1.0 if rng.random() < 0.5 else 1.0
    shift = np.zeros(2) if still else rng.uniform(-0.1, 0.1, 2) * side
    # Pixel centres lie at +0.5, so the middle of the picture, not pixel (0, 0), stays where it is.
    middle = side / 2 + shift
    matrix = np.array(
        [
            [sign * zoom, 0, middle[0] - sign * zoom * (SIDE - 1) / 2 - 0.5],
            [0, zoom, middle[1] - zoom * (SIDE - 1) / 2 - 0.5],
        ]
    )
    image = cv2.warpAffine(
        scenes.images[row],
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderValue=(GREY, GREY, GREY),
    )
    things = scenes.things[row]
    things = things[things["name"] >= 0]
    x = middle[0] + sign * zoom * (things["box"][:, [0, 2]] - SIDE / 2)
    y = middle[1] + zoom * (things["box"][:, [1, 3]] - SIDE / 2)
    whole = np.stack([x.min(axis=1), y[:, 0], x.max(axis=1), y[:, 1]], axis=1)
    boxes = whole.clip(0, side)
    keep = _area(boxes) > REMAINS * _area(whole)
    return Sample(
        np.asarray(image, dtype=np.uint8),
        things["name"][keep].astype(np.int64),
        boxes[keep].astype(np.float32),
    )


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), dtype=np.float64)


def jitter(sample: Sample, rng: np.random.Generator) -> Sample:
    """Brightness, contrast and a slight tint always; now and then blur, noise or JPEG blocks."""
    return Sample(recolour(sample.image, rng), sample.names, sample.boxes)


def recolour(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """H x W x 3, uint8 RGB, to the same."""
    import cv2

    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.97, 1.03, 3)
    lift = rng.uniform(-8, 8)
    ramp = np.arange(256)[:, None] * gain[None] + lift
    table = ramp.clip(0, 255).astype(np.uint8)[None]
    image = np.asarray(cv2.LUT(image, table), dtype=np.uint8)
    chance = rng.random()
    if chance < 0.1:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), rng.uniform(0.3, 0.9)), dtype=np.uint8)
    elif chance < 0.2:
        noise = rng.integers(-9, 10, image.shape, dtype=np.int16)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    elif chance < 0.35:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 95))])
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
    return image
