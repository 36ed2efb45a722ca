"""What an answer rests on, drawn on the image: numbered boxes, for whoever is shown them."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from foveal.graphs.result import Evidence
from foveal.tools.images import Pixels

LONGEST = 1024
"""Pixels of the longer side; what is larger is scaled down, as models do themselves."""
COLOUR = (255, 0, 110)
"""Of boxes: seldom in photographs."""


def marked(pixels: Pixels, evidence: Sequence[tuple[int, Evidence]]) -> bytes:
    """A JPEG of the image (height, width, 3) with boxes and their numbers."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    scale, side = image.width / pixels.shape[1], max(image.size)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, side // 40))
    for number, piece in evidence:
        _mark(draw, font, number, [value * scale for value in piece.box], max(2, side // 300))
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
