"""Pictures as a server takes them: data URLs whose type is the true one, of a size that is bounded both ways."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.coordinates import Size

LARGEST = 2048
"""Pixels of the longer side; what is larger is scaled down. Servers do so themselves, after the transfer."""
SMALLEST = 56
"""Pixels of the shorter side; what is smaller is scaled up, to two merged patches of a Qwen2-VL."""
PATCH = 28
"""Pixels of such a patch. A Qwen2.5-VL, which writes pixels of the image as it gets it, gets whole ones."""
LOSSLESS = 128 * 128
"""Up to this many pixels a picture is sent as PNG: it is small anyway, and JPEG would blur what there is."""
QUALITY = 90
"""Of a JPEG."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """A picture in a message."""

    url: str
    """`data:image/...;base64,...`"""
    name: str
    """The same for the same pixels, in any session: what a server may know the picture by."""


def shown_size(size: Size, multiple: int = 1) -> Size:
    """Width and height at which a picture of this size is sent: multiples of `multiple`, the aspect about kept."""
    scale = min(1.0, LARGEST / max(size))
    scale = max(scale, SMALLEST / min(size))
    width, height = (_side(side * scale, multiple) for side in size)
    return width, height


def _side(length: float, multiple: int) -> int:
    return min(LARGEST // multiple, max(1, round(length / multiple))) * multiple


def shown(pixels: Pixels, name: str, size: Size | None = None) -> Shown:
    """A picture (height, width, 3), scaled to `size` (by default to `shown_size`) and encoded."""
    height, width = pixels.shape[:2]
    target = size or shown_size((width, height))
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.LANCZOS)
    kind, data = _encoded(picture)
    url = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return Shown(url, f"{name}-{target[0]}x{target[1]}-{kind}")


def _encoded(picture: Image.Image) -> tuple[str, bytes]:
    """The type that stands in the data URL, and bytes of that type."""
    kind = "png" if picture.width * picture.height <= LOSSLESS else "jpeg"
    buffer = BytesIO()
    picture.save(buffer, kind, **({"quality": QUALITY} if kind == "jpeg" else {}))
    return kind, buffer.getvalue()
