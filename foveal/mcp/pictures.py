"""What a client is shown: crops, numbered boxes, an outline or a map of distances, none larger than it needs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from mcp_types import ImageContent
from numpy.typing import NDArray
from PIL import Image

from foveal.graphs.marked import COLOUR, LONGEST, Sides, jpeg, marked
from foveal.tools.images import Pixels

SMALL = 2**16
"""Pixels up to which a picture is sent as PNG, exact; larger ones as JPEG."""


def picture(pixels: Pixels) -> ImageContent:
    """The pixels as a content block."""
    return _sent(_fitted(Image.fromarray(pixels)))


def crop(pixels: Pixels, box: Sides) -> ImageContent:
    """What a box shows."""
    x0, y0, x1, y1 = (round(side) for side in box)
    return picture(np.ascontiguousarray(pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]))


def numbered(pixels: Pixels, boxes: Sequence[Sides]) -> ImageContent:
    """The image with its boxes, numbered from 1."""
    return _sent(marked(pixels, enumerate(boxes, start=1)))


def outlined(pixels: Pixels, mask: NDArray[np.bool_]) -> ImageContent:
    """The image with what is inside the mask tinted."""
    tinted = pixels.copy()
    tinted[mask] = (tinted[mask].astype(np.uint16) + np.array(COLOUR, np.uint16)) // 2
    return picture(tinted)


def stencil(mask: NDArray[np.bool_]) -> ImageContent:
    """The mask alone, white on black, pixel for pixel as large as the image."""
    return _sent(Image.fromarray(mask), exact=True)


def stretched(map_: NDArray[np.uint8], width: int, height: int) -> ImageContent:
    """A grey map at a network's resolution, in the shape of the image that it is of."""
    share = min(1.0, LONGEST / max(width, height))
    size = max(1, round(width * share)), max(1, round(height * share))
    return _sent(Image.fromarray(map_).resize(size, Image.Resampling.BILINEAR))


def _fitted(image: Image.Image) -> Image.Image:
    if max(image.size) <= LONGEST:
        return image
    image = image.copy()
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return image


def _sent(image: Image.Image, exact: bool = False) -> ImageContent:
    png = exact or image.width * image.height <= SMALL
    data = base64.b64encode(_png(image) if png else jpeg(image)).decode("ascii")
    return ImageContent(data=data, mime_type="image/png" if png else "image/jpeg")


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
