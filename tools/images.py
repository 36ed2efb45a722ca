"""From anything a user calls an image to RGB pixels. Images are hostile until decoded here.

Limits are checked before pixels are allocated, EXIF orientation is applied once, an animation is its
first frame, transparency is laid on white and sixteen bits become eight.
"""

import io
import re
import stat
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from foveal.agent.actions import MAX_IMAGES
from foveal.agent.errors import InputError
from foveal.tools import data_url
from foveal.tools.fetch import fetch

MAX_PIXELS = 100_000_000
"""Larger images are refused: 300 MB once decoded."""
MAX_BYTES = 100 * 2**20
"""Larger downloads and streams are refused."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is decoded. Formats that start other programs (EPS) are left out on purpose."""


@dataclass(frozen=True, eq=False)
class Taken:
    """An image that is loaded already, and what it was loaded from."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB, read-only."""
    source: object


Source = str | PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any] | Taken
Images = Source | Sequence[Source]
"""The image of a question, or several in a list or a tuple."""
Pixels = NDArray[np.uint8]

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_HEADERS = threading.Lock()  # `warnings.catch_warnings` is not safe across threads


def load_image(
    source: Source, *, max_pixels: int = MAX_PIXELS, allowed_networks: Sequence[str] = ()
) -> Pixels:
    """The (height, width, 3) RGB pixels, read-only, of a path, URL, "-" (stdin), bytes, stream, picture or array.

    URLs are data: or http(s) only and never reach private addresses, except those in `allowed_networks` (CIDR).
    Raises InputError with one line that names the cure.
    """
    if isinstance(source, Taken):
        return source.pixels
    if isinstance(source, np.ndarray):
        pixels = _from_array(source, max_pixels)
    elif isinstance(source, Image.Image):
        with _blaming("the image"):
            pixels = _from_pillow(source, "the image", max_pixels)
    else:
        data, name = _bytes_of(source, allowed_networks)
        pixels = _decode(data, name, max_pixels)
    pixels.setflags(write=False)
    return pixels


def several(images: Images) -> tuple[Source, ...]:
    """The images of a question. Raises InputError for none, for too many, and for two from stdin."""
    sources: tuple[Any, ...] = tuple(images) if isinstance(images, list | tuple) else (images,)
    if not sources:
        raise InputError("there is no image; give at least one")
    if len(sources) > MAX_IMAGES:
        raise InputError(f"{len(sources)} images are too many; ask about at most {MAX_IMAGES}")
    if sum(isinstance(source, str) and source == "-" for source in sources) > 1:
        raise InputError("stdin holds one image; give the others as paths or URLs")
    return sources


def _bytes_of(source: Any, allowed_networks: Sequence[str]) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), "the image"
    if source == "":
        raise InputError("the image's path is empty; give a path, a URL or -")
    if source == "-":
        return _read_stream(sys.stdin.buffer, "stdin"), "stdin"
    if hasattr(source, "read"):
        return _rewound(_read_stream(source, "the stream")), "the stream"
    if data_url.named(source):
        return data_url.decoded(source, MAX_BYTES), "the data URL"
    if isinstance(source, str) and _URL.match(source):
        return fetch(source, MAX_BYTES, allowed_networks), source
    if isinstance(source, str | PathLike):
        return read_file(Path(fspath(source))), str(source)
    kind = type(source).__name__
    arrays = "; make it an array with numpy.asarray" if hasattr(source, "__array__") else ""
    raise InputError(f"{kind} is no image; give a path, URL, bytes, PIL image or array{arrays}")


def _rewound(data: bytes) -> bytes:
    if not data:
        raise InputError("the stream gives nothing; if it was read before, rewind it with seek(0)")
    return data


def _read_stream(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise InputError(f"{name} gives text, not bytes; open it in binary mode")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES >> 20} MiB; give a smaller image")
    return data


def read_file(path: Path) -> bytes:
    """The bytes of an image file, which are not decoded yet. Raises InputError when they cannot be had."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path} is a folder; give one image file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path} is not a regular file; pipe it in with `--image -`")
        with path.open("rb") as file:
            return _read_stream(file, str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, a NUL in it
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(path)[:200]!r} cannot be read: {reason}") from error


def _decode(data: bytes, name: str, max_pixels: int) -> Pixels:
    if not data:
        raise InputError(f"{name} is empty; give an image file with something in it")
    with _blaming(name), _opened(data, name, max_pixels) as image:
        return _from_pillow(image, name, max_pixels)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise InputError(f"{name} is not an image that can be decoded; expected {kinds}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large; scale it to at most 178 million pixels") from error
    except (
        Exception
    ) as error:  # decoders meet hostile bytes: however they fail, the file is at fault
        reason = str(error).strip().rstrip(".").splitlines() or [type(error).__name__]
        raise InputError(f"{name} is damaged ({reason[0]}); save or download it again") from error


def _opened(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """The header alone, its size checked; EXIF is parsed here too, because broken EXIF warns."""
    with _HEADERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.init()
        known = [kind for kind in FORMATS if kind in Image.OPEN]
        image = Image.open(io.BytesIO(data), formats=known)
        _check_size(*image.size, name, max_pixels)
        if image.format != "PNG" or "exif" in image.info:  # a PNG without any would be decoded
            image.getexif()
        return image


def _from_pillow(image: Image.Image, name: str, max_pixels: int) -> Pixels:
    _check_size(*image.size, name, max_pixels)
    upright = ImageOps.exif_transpose(image)
    return np.array(_rgb(upright), dtype=np.uint8)


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels ({width} x {height}); give another image")
    if width * height > max_pixels:
        million = max_pixels / 1e6
        raise InputError(
            f"{name} is too large: {width} x {height} pixels; scale it to at most {million:g} million pixels"
        )


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")  # Pillow's only way out of it
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: NDArray[Any], mode: str) -> Pixels:
    """Wide grey levels as uint8: by the type's range where it has one, else by the values' own."""
    top = 65535.0 if mode.startswith("I;16") or values.max() > 255 else 255.0
    if values.dtype.kind == "f" and values.max() <= 1:
        top = 1.0
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > top:
        raise InputError("the image's grey levels have no known range; save it with 8 or 16 bits")
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _from_array(array: NDArray[Any], max_pixels: int) -> Pixels:
    """Grey, grey with alpha, RGB or RGBA; alpha is laid on white."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"expected an array of (height, width, 3), got {array.shape}{_shaped(array)}"
        )
    _check_size(array.shape[1], array.shape[0], "the array", max_pixels)
    levels = _array_levels(array)
    if levels.shape[2] in (2, 4):
        return np.array(_rgb(Image.fromarray(levels)), dtype=np.uint8)
    return np.array(np.broadcast_to(levels, (*levels.shape[:2], 3)), dtype=np.uint8)


def _shaped(array: NDArray[Any]) -> str:
    """How to bring an array into shape, where that can be told."""
    if array.ndim == 4:
        return "; give several images as a list of arrays"
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return "; put its channels last with array.transpose(1, 2, 0)"
    return ""


def _array_levels(array: NDArray[Any]) -> Pixels:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if (kind, size) == ("u", 1):
        return np.ascontiguousarray(array)
    if (kind, size) == ("u", 2):
        return _eight_bits(array, "I;16")
    if kind == "f" and np.isfinite(array).all() and 0 <= array.min() <= array.max() <= 1:
        return _eight_bits(array, "F")
    raise InputError(
        f"expected uint8 or uint16 values, or floats from 0 to 1, got {array.dtype}{_ranged(array)}"
    )


def _ranged(array: NDArray[Any]) -> str:
    """What the values are, and how to make levels of them, where they are levels already but for their type."""
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return ""
    low, high = array.min(), array.max()
    cure = "; use array.astype('uint8')" if low >= 0 and high <= 255 else ""
    return f" from {low:g} to {high:g}{cure}"
