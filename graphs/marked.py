"""Numbered boxes drawn on an image: what an answer rests on, or what was found, for whoever is shown it."""

import io
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

from foveal.tools.images import Pixels

LONGEST = 1024
"""Pixels of the longer side; what is larger is scaled down, as models do themselves."""
COLOUR = (255, 0, 110)
"""Of boxes and outlines: seldom in photographs."""

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the original image."""


def marked(pixels: Pixels, boxes: Iterable[tuple[int, Sides]]) -> Image.Image:
    """The image (height, width, 3) with boxes and their numbers."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    scale, side = image.width / pixels.shape[1], max(image.size)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, side // 40))
    for number, box in boxes:
        _mark(draw, font, number, [value * scale for value in box], max(2, side // 300))
    return image


def jpeg(image: Image.Image) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def _mark(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    number: int,
    box: list[float],
    line: int,
) -> None:
    x0, y0, x1, y1 = box
    draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=COLOUR, width=line)
    left, top, right, bottom = draw.textbbox((x0, y0), str(number), font=font, anchor="lt")
    draw.rectangle((left - line, top - line, right + line, bottom + line), COLOUR)
    draw.text((x0, y0), str(number), "white", font, anchor="lt")
