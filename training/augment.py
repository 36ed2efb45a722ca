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


@dataclass(frozen=True)
class Move:
    """Where a letterboxed picture goes: scaled by `zoom`, mirrored where `sign` is -1, its middle at `middle`."""

    side: int
    zoom: float
    sign: float
    middle: NDArray[np.float64]

    @classmethod
    def draw(cls, side: int, rng: np.random.Generator) -> "Move":
        """Any small move; one time in four none, as when serving, but for the mirror."""
        still = rng.random() < 0.25
        zoom = side / SIDE * (1.0 if still else rng.uniform(0.8, 1.25))
        sign = -1.0 if rng.random() < 0.5 else 1.0
        shift = np.zeros(2) if still else rng.uniform(-0.1, 0.1, 2) * side
        return cls(side, zoom, sign, side / 2 + shift)

    def picture(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """SIDE x SIDE x 3 to side x side x 3."""
        import cv2

        # Pixel centres lie at +0.5, so it is the middle of the picture that is mapped, not pixel (0, 0).
        x, y = self.middle - np.array([self.sign, 1]) * self.zoom * (SIDE - 1) / 2 - 0.5
        matrix = np.array([[self.sign * self.zoom, 0, x], [0, self.zoom, y]])
        size, grey = (self.side, self.side), (GREY, GREY, GREY)
        moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=grey)
        return np.asarray(moved, dtype=np.uint8)

    def boxes(self, boxes: NDArray[np.float32]) -> NDArray[np.float64]:
        """n x 4, xyxy; may reach out of the frame."""
        x = self.middle[0] + self.sign * self.zoom * (
            boxes[:, [0, 2]].astype(np.float64) - SIDE / 2
        )
        y = self.middle[1] + self.zoom * (boxes[:, [1, 3]].astype(np.float64) - SIDE / 2)
        return np.stack([x.min(axis=1), y[:, 0], x.max(axis=1), y[:, 1]], axis=1)


def move(scenes: Scenes, row: int, side: int, rng: np.random.Generator) -> Sample:
    """The scene scaled, shifted and perhaps mirrored, at `side` pixels."""
    drawn = Move.draw(side, rng)
    things = scenes.things[row]
    things = things[things["name"] >= 0]
    whole = drawn.boxes(things["box"])
    boxes = whole.clip(0, side)
    keep = _area(boxes) > REMAINS * _area(whole)
    names = things["name"][keep].astype(np.int64)
    return Sample(drawn.picture(scenes.images[row]), names, boxes[keep].astype(np.float32))


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
