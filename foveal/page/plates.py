"""The images of a run: found again by what a trace says of them, and made small enough to be put into a page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from foveal.agent.errors import InputError
from foveal.agent.settings import Settings
from foveal.agent.transcript import Original
from foveal.graphs.choices import loaded
from foveal.graphs.trace import Started
from foveal.tools.images import Pixels
from foveal.tools.store import content_hash

SIDE = 1600
"""Pixels of an image's longer side on a page; larger ones are made smaller."""
CROP = 480
"""The same of a crop."""
LOSSLESS = 400_000
"""Bytes up to which an image is kept as it is; beyond it becomes a JPEG."""


@dataclass(frozen=True)
class Plate:
    """One image of the question, or the empty place where it would be."""

    size: tuple[int, int]
    """Width and height of the original."""
    pixels: Pixels | None = None
    missing: str = ""
    """Why it is empty."""

    @cached_property
    def uri(self) -> str:
        """The image as a data URL; nothing for an empty place."""
        return "" if self.pixels is None else data_url(Image.fromarray(self.pixels), SIDE)

    def crop(self, xyxy: tuple[float, float, float, float]) -> str:
        """A part of it as a data URL; nothing of an empty place, or outside."""
        width, height = self.size
        x0, y0, x1, y1 = (round(side) for side in xyxy)
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if self.pixels is None or x0 >= x1 or y0 >= y1:
            return ""
        return data_url(Image.fromarray(self.pixels[y0:y1, x0:x1]), CROP)


def plates(started: Started, given: Sequence[str], settings: Settings) -> list[Plate]:
    """The run's images in order: of those given, else from where the trace says that they were.

    Raises InputError for a given image that is not one of the run's: its content hash tells.
    """
    wanted = started.asked.images
    known = {original.image for original in wanted}
    have: dict[str, Pixels] = {}
    for source in given:
        pixels = loaded(source, settings)
        if content_hash(pixels) not in known:
            raise InputError(f"{source} is not the image of this run: its content hash differs")
        have[content_hash(pixels)] = pixels
    sources = [*started.sources, *[""] * len(wanted)]
    return [
        Plate(one.size, have[one.image]) if one.image in have else _found(one, source, settings)
        for one, source in zip(wanted, sources, strict=False)
    ]


def _found(original: Original, source: str, settings: Settings) -> Plate:
    """The image where the trace says it was, if it is still that image. URLs are not asked again."""
    if not source:
        missing = "the trace does not say where this image is; give it with --image"
        return Plate(original.size, missing=missing)
    if "://" in source:
        return Plate(original.size, missing=f"this image came from {source}; give it with --image")
    try:
        pixels = loaded(Path(source), settings)
    except InputError as error:
        return Plate(original.size, missing=f"{error}; give the image with --image")
    if content_hash(pixels) != original.image:
        missing = f"{source} is another image now; give the one of the run with --image"
        return Plate(original.size, missing=missing)
    return Plate(original.size, pixels)


def data_url(picture: Image.Image, side: int) -> str:
    """A picture as a data URL, its longer side at most so many pixels; what is transparent stays so."""
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=picture.mode == "RGBA")
    kind = "png"
    if file.tell() > LOSSLESS and picture.mode == "RGB":
        file, kind = io.BytesIO(), "jpeg"
        picture.save(file, "JPEG", quality=88)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def from_grey(picture: Image.Image) -> str:
    """A depth map as a data URL: what is near is light, what is far dark."""
    levels = np.asarray(picture, np.float32)[:, :, None] / 255
    far, near = np.array([12, 34, 46], np.float32), np.array([214, 255, 240], np.float32)
    mixed = np.rint(far + (near - far) * levels).astype(np.uint8)
    return data_url(Image.fromarray(mixed), SIDE)
