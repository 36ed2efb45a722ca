"""Questions of a kept evaluation as one picture: what was asked, what the answer rests on, right and wrong ones.

    python -m foveal.evals.gallery DIR --out gallery.png

`DIR` is what `agent eval tabletop --out DIR` wrote; its scenes are drawn again.
"""

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from foveal.evals.kept import kept_rows, kept_split
from foveal.evals.scored import Scored
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.graphs.marked import marked

SIDE, LINES, ACROSS = 320, 5, 4
"""Pixels of a picture's longer side; lines of text below it; pictures side by side."""
WIDE = 34
"""Characters of a line, even if all of them are capitals."""
HEIGHT = 18
"""Pixels of a line."""
PAPER, INK, RIGHT, WRONG = "white", "#222222", "#1a7f37", "#cf222e"


def chosen(rows: Sequence[Scored], most: int) -> list[Scored]:
    """As many right as wrong ones, as far as there are any, of as many families as there are."""
    right, wrong = ([row for row in rows if row.right is kind] for kind in (True, False))
    half = most // 2
    return [*_varied(right, half), *_varied(wrong, most - half)]


def _varied(rows: Iterable[Scored], most: int) -> list[Scored]:
    """The first of each family, then the second of each, and so on."""
    families: dict[str, list[Scored]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    depth = max(map(len, families.values()), default=0)
    turns = [some[n] for n in range(depth) for some in families.values() if n < len(some)]
    return turns[:most]


def drawn(row: Scored, split: Split) -> Image.Image:
    """One question: the picture with the boxes that its answer rests on, and what was said about it."""
    pixels = scene(row.scene, split, size_of(row.scene, split)).image
    boxes = [piece.box for piece in row.result.evidence]
    image = marked(pixels, enumerate(boxes, start=1))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    card = Image.new("RGB", (SIDE, SIDE + LINES * HEIGHT), PAPER)
    card.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    draw, font = ImageDraw.Draw(card), ImageFont.load_default(size=14)
    for number, (text, ink) in enumerate(_told(row)[:LINES]):
        draw.text((4, SIDE + number * HEIGHT), text, ink, font)
    return card


def _told(row: Scored) -> list[tuple[str, str]]:
    asked = [(line, INK) for line in textwrap.wrap(row.question, WIDE)[:2]]
    looks = " ".join(hop.action.kind for hop in row.result.hops) or "no look"
    said = f"{row.result.answer or 'no answer'} ({row.result.confidence or 0:.2f})"
    truth = [] if row.right else [(f"truth: {row.truth}", INK)]
    return [
        *asked,
        (f"{row.family}: {looks}", "#57606a"),
        (said, RIGHT if row.right else WRONG),
        *truth,
    ]


def gallery(rows: Sequence[Scored], split: Split) -> Image.Image:
    """All of them, row by row."""
    cards = [drawn(row, split) for row in rows]
    high = -(-len(cards) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * SIDE, high * (SIDE + LINES * HEIGHT)), PAPER)
    for number, card in enumerate(cards):
        row, column = divmod(number, ACROSS)
        sheet.paste(card, (column * SIDE, row * card.height))
    return sheet


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw questions of a kept evaluation.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=16)
    typed = parser.parse_args(arguments)
    rows = chosen(kept_rows(typed.folder), typed.most)
    gallery(rows, kept_split(typed.folder)).save(typed.out)


if __name__ == "__main__":
    main()
