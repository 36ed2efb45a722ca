"""From what was found to what a client gets: structured content, the same as text, and pictures."""

from collections.abc import Sequence

import mcp_types
import numpy as np
from mcp_types import CallToolResult, ImageContent, TextContent
from numpy.typing import NDArray

from foveal.agent.observations import Detected, Looked, Ranged, Recognised, Segmented
from foveal.graphs.result import Result
from foveal.mcp import pictures, shapes
from foveal.tools.images import Pixels

CLOSE_UPS = 4
"""Parts of the image that an answer rests on which are also shown one by one."""


def answered(result: Result, pixels: Pixels) -> CallToolResult:
    """An answer; the image with numbered evidence; the first few pieces of evidence close up."""
    found = shapes.Answered(
        **_size(pixels),
        answer=result.answer,
        confidence=result.confidence,
        value=result.value,
        evidence=[
            shapes.Proof(
                label=proof.label, box=_sides(proof.box), score=proof.score, action=proof.action
            )
            for proof in result.evidence
        ],
        notes=list(result.notes),
        hops=result.usage.hops,
        ended_by=result.ended_by,
        run=result.run,
    )
    boxes = [proof.box for proof in result.evidence]
    close = [pictures.crop(pixels, box) for box in boxes[:CLOSE_UPS]]
    return _told(found, [pictures.numbered(pixels, boxes), *close] if boxes else [])


def looked(seen: Looked, pixels: Pixels) -> CallToolResult:
    """A closer look and its picture."""
    box = seen.views[0].source.xyxy
    found = shapes.Looked(**_size(pixels), box=_sides(box))
    return _told(found, [pictures.crop(pixels, box)])


def detected(seen: Detected, pixels: Pixels) -> CallToolResult:
    """Objects, and the image with their boxes."""
    things = [
        shapes.Thing(label=one.label, box=_sides(one.box.xyxy), score=one.score)
        for one in seen.objects
    ]
    found = shapes.Found(
        **_size(pixels), count=len(things), objects=things, unknown=list(seen.unknown)
    )
    boxes = [one.box.xyxy for one in seen.objects]
    return _told(found, [pictures.numbered(pixels, boxes)] if boxes else [])


def segmented(
    seen: Segmented, mask: NDArray[np.bool_], pixels: Pixels, alone: bool
) -> CallToolResult:
    """An outline, the image with it tinted, and the mask itself if wanted."""
    x, y = seen.centroid
    found = shapes.Outlined(
        **_size(pixels),
        box=_sides(seen.box.xyxy),
        area=seen.area,
        share=seen.share,
        centroid=shapes.Spot(x=x, y=y),
    )
    stencil = [pictures.stencil(mask)] if alone else []
    return _told(found, [pictures.outlined(pixels, mask), *stencil])


def ranged(seen: Ranged, near: NDArray[np.uint8] | None, pixels: Pixels) -> CallToolResult:
    """Distances, and the map of all of them, where the specialist gives one."""
    found = shapes.Ranged(
        **_size(pixels),
        nearest_first=[
            shapes.Far(region=one.index - 1, box=_sides(one.box.xyxy), depth=one.depth)
            for one in seen.ranges
        ],
    )
    map_ = [] if near is None else [pictures.stretched(near, found.width, found.height)]
    return _told(found, map_)


def recognised(seen: Recognised, pixels: Pixels) -> CallToolResult:
    """Lines of text."""
    lines = [
        shapes.Words(text=line.text, box=_sides(line.box.xyxy), score=line.score)
        for line in seen.lines
    ]
    text = "\n".join(line.text for line in lines)
    return _told(shapes.Text(**_size(pixels), text=text, lines=lines), [])


def refused(reason: object) -> CallToolResult:
    """An error that the client's model reads, and can do something about."""
    return CallToolResult(content=[TextContent(text=str(reason))], is_error=True)


def _told(found: shapes.OfImage, shown: Sequence[ImageContent]) -> CallToolResult:
    text = TextContent(text=found.model_dump_json())  # for clients that know no structured content
    content: list[mcp_types.ContentBlock] = [text, *shown]
    return CallToolResult(content=content, structured_content=found.model_dump(mode="json"))


def _sides(box: tuple[float, float, float, float]) -> shapes.Sides:
    left, top, right, bottom = box
    return shapes.Sides(left=left, top=top, right=right, bottom=bottom)


def _size(pixels: Pixels) -> dict[str, int]:
    height, width = pixels.shape[:2]
    return {"width": width, "height": height}
