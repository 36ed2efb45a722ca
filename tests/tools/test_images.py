"""What a user may call an image, and the one line they get when it is none."""

import io
import os
import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.tools.images import load_image

RED = (255, 0, 0)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PLAIN = Image.new("RGB", (6, 4), RED)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


def test_every_kind_of_source_gives_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(PLAIN)
    path = tmp_path / "red.png"
    path.write_bytes(data)
    stdin = type("stdin", (), {"buffer": io.BytesIO(data)})
    monkeypatch.setattr("sys.stdin", stdin)
    sources = [
        path,
        str(path),
        data,
        bytearray(data),
        io.BytesIO(data),
        "-",
        PLAIN,
        np.asarray(PLAIN),
    ]
    for source in sources:
        pixels = load_image(source)  # type: ignore[arg-type]
        assert pixels.shape == (4, 6, 3)
        assert pixels.dtype == np.uint8
        assert (pixels == RED).all()
        assert not pixels.flags.writeable


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_the_bytes_decide_not_the_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(PLAIN, kind))
    assert np.abs(load_image(path).astype(int) - RED).max() < 3


def test_what_stands_for_a_path_is_one(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(encoded(PLAIN))
    assert (load_image(PurePosixPath(path)) == RED).all()
    with os.scandir(tmp_path) as entries, path.open("rb") as file:
        assert (load_image(next(entries)) == RED).all()
        assert (load_image(file) == RED).all()


def test_exif_orientation_is_applied_once() -> None:
    upright = Image.new("RGB", (4, 8))
    upright.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to the right
    pixels = load_image(encoded(upright, exif=exif))
    assert pixels.shape == (4, 8, 3)
    assert tuple(pixels[0, 7]) == RED
    again = load_image(encoded(Image.fromarray(pixels)))
    assert np.array_equal(again, pixels)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 4), RED), Image.new("RGB", (6, 4), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (load_image(data) == RED).all()


GREY16 = Image.fromarray(np.full((4, 6), 65535, np.uint16))
MODES = [
    (Image.new("L", (6, 4), 128), (128, 128, 128)),
    (Image.new("1", (6, 4), 1), (255, 255, 255)),
    (Image.new("P", (6, 4), 0), None),
    (Image.new("RGBA", (6, 4), (255, 0, 0, 255)), RED),
    (Image.new("RGBA", (6, 4), (255, 0, 0, 0)), (255, 255, 255)),  # transparent: white shows
    (Image.new("LA", (6, 4), (0, 51)), (204, 204, 204)),
    (Image.new("CMYK", (6, 4), (0, 255, 255, 0)), RED),
    (GREY16, (255, 255, 255)),
    (Image.fromarray(np.full((4, 6), 257 * 10, np.uint16)), (10, 10, 10)),
    (Image.fromarray(np.full((4, 6), 100, np.int32)), (100, 100, 100)),
    (Image.fromarray(np.full((4, 6), 0.2, np.float32)), (51, 51, 51)),
    (Image.new("YCbCr", (6, 4), (128, 128, 128)), (128, 128, 128)),
    (Image.new("HSV", (6, 4), (0, 255, 255)), RED),
    (Image.new("La", (6, 4), (0, 0)), (255, 255, 255)),
    (Image.new("RGBa", (6, 4), (0, 0, 0, 0)), (255, 255, 255)),
    (Image.new("PA", (6, 4)), None),
    (Image.new("RGBX", (6, 4), (255, 0, 0, 9)), RED),
    (Image.new("LAB", (6, 4), (255, 128, 128)), None),
    (Image.new("I;16B", (6, 4)), (0, 0, 0)),
]


@pytest.mark.parametrize(("image", "expected"), MODES, ids=lambda value: getattr(value, "mode", ""))
def test_any_mode_becomes_rgb(image: Image.Image, expected: tuple[int, int, int] | None) -> None:
    pixels = load_image(image)
    assert pixels.shape == (4, 6, 3)
    if expected:
        assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_transparent_palette_lies_on_white() -> None:
    palette = Image.new("RGBA", (6, 4), (0, 0, 0, 0)).convert("P")
    data = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    assert (load_image(data) == 255).all()


def test_sixteen_bit_files_become_eight_bits() -> None:
    assert (load_image(encoded(GREY16)) == 255).all()


ARRAYS = [
    (np.zeros((4, 6), np.uint8), 0),
    (np.zeros((4, 6, 1), np.uint8), 0),
    (np.zeros((4, 6, 4), np.uint8), 255),  # transparent
    (np.zeros((4, 6, 2), np.uint8), 255),
    (np.full((4, 6), 257 * 10, ">u2"), 10),
    (np.full((4, 6, 3), 0.2, np.float16), 51),
    (np.asfortranarray(np.full((8, 6), 7, np.uint8))[::2], 7),
    (np.ones((4, 6), bool), 255),
    (np.full((4, 6, 3), 65535, np.uint16), 255),
    (np.full((4, 6, 3), 1.0, np.float32), 255),
    (np.zeros((4, 6, 3), np.float64), 0),
]


@pytest.mark.parametrize(("array", "level"), ARRAYS)
def test_arrays(array: Any, level: int) -> None:
    pixels = load_image(array)
    assert pixels.shape == (4, 6, 3)
    assert (pixels == level).all()


def test_an_array_is_copied() -> None:
    mine = np.zeros((4, 6, 3), np.uint8)
    loaded = load_image(mine)
    mine[:] = 1
    assert (loaded == 0).all()


class Tensor:
    """What numpy can make an array of."""

    def __array__(self) -> Any:
        return np.zeros((2, 2, 3), np.uint8)


WHOLE_JPEG = encoded(NOISE, "JPEG")
HOSTILE: list[tuple[str, Any, str]] = [
    ("zero bytes", b"", "is empty"),
    ("text", b"hello, I am no image", "not an image that can be decoded; expected JPEG, PNG"),
    ("only a signature", b"\x89PNG\r\n\x1a\n", "not an image|damaged"),
    ("a header without pixels", png(8, 8), "damaged"),
    ("half a JPEG", WHOLE_JPEG[: len(WHOLE_JPEG) // 2], r"damaged \(.*truncated"),
    ("half a PNG", encoded(NOISE)[:6000], "damaged"),
    ("half a WEBP", encoded(NOISE, "WEBP")[:900], "damaged|not an image"),
    ("half a GIF", encoded(NOISE, "GIF")[:1500], "damaged"),
    ("half a TIFF", encoded(NOISE, "TIFF")[:900], "damaged|not an image"),
    ("half a BMP", encoded(NOISE, "BMP")[:900], "damaged"),
    ("broken checksum", encoded(NOISE)[:60] + b"\0" * 40 + encoded(NOISE)[100:], "damaged"),
    ("a bomb by its header", png(100_000, 100_000), "too large"),
    ("over the limit", png(12_000, 9_000), "12000 x 9000 pixels; scale it to at most 100 million"),
    ("no width", png(0, 10), "damaged|not an image|no pixels"),
    ("postscript: a program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ("a page", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ("wrong shape", np.zeros((2, 3, 5), np.uint8), r"expected an array of \(height, width, 3\)"),
    ("one dimension", np.zeros(7, np.uint8), "expected an array"),
    ("no pixels", np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ("channels first", np.zeros((3, 4, 6), np.uint8), r"channels last with array.transpose\(1, 2, 0\)"),
    ("a batch", np.zeros((1, 4, 6, 3), np.uint8), "several images as a list"),
    ("levels in floats", np.full((2, 2, 3), 7.0), r"from 7 to 7; use array.astype\('uint8'\)"),
    ("below zero", np.full((2, 2, 3), -0.5), "got float64 from -0.5 to -0.5$"),
    ("complex", np.zeros((2, 2, 3), complex), "got complex128$"),
    ("another library's array", Tensor(), "make it an array with numpy.asarray"),
    ("a stream at its end", io.BytesIO(), "gives nothing; if it was read before, rewind it"),
    ("a set", {1}, "set is no image"),
    ("floats out of range", np.full((2, 2, 3), 7.0), "floats from 0 to 1"),
    ("not a number", np.full((2, 2, 3), np.nan), "floats from 0 to 1"),
    ("signed", np.zeros((2, 2, 3), np.int64), "expected uint8"),
    ("objects", np.zeros((2, 2, 3), object), "expected uint8"),
    ("nothing", None, "NoneType is no image"),
    ("a number", 7, "int is no image"),
    ("text stream", io.StringIO("x"), "binary mode"),
    ("no such file", "/nowhere/x.png", "does not exist; check the path"),
    ("a folder", "/", "is a folder"),
    ("no path", "", "path is empty"),
    ("a device", "/dev/zero", "not a regular file"),
    ("a NUL in the name", "a\0b", "cannot be read"),
    ("a name too long", "x" * 5000, "cannot be read"),
    ("grey of unknown range", Image.fromarray(np.full((2, 2), -3, np.int32)), "no known range"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "words"), [row[1:] for row in HOSTILE], ids=[r[0] for r in HOSTILE]
)
def test_hostile_images_are_one_clear_line(source: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_image(source)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_limit_can_be_set() -> None:
    with pytest.raises(InputError, match="6 x 4 pixels"):
        load_image(PLAIN, max_pixels=23)
    assert load_image(PLAIN, max_pixels=24).shape == (4, 6, 3)


def test_a_bomb_is_refused_before_it_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(InputError, match="too large"):
        load_image(png(12_000, 9_000))


def test_broken_exif_does_not_spoil_a_good_picture() -> None:
    data = encoded(PLAIN, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff")
    assert load_image(data).shape == (4, 6, 3)


def test_a_closed_picture_is_refused() -> None:
    image = Image.open(io.BytesIO(encoded(NOISE)))
    image.close()
    with pytest.raises(InputError, match="damaged"):
        load_image(image)
