"""Masks and depth maps small enough for a trace: what a page draws when the store has long forgotten them."""

import base64
import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from foveal.agent.model import Sight
from foveal.agent.observations import Observation, Ranged, Segmented

OUTLINE, SLOPE = 192, 96
"""Pixels of the longer side at most, of a mask and of a depth map: an outline is looked at more closely."""


class Sketch(BaseModel):
    """A grey picture: a mask, white inside its observation's box, or the whole depth map, bright where near."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    png: str
    """The file in base64."""

    @property
    def picture(self) -> Image.Image:
        """Eight bits of grey. Raises ValueError for what is no picture, or larger than a sketch."""
        try:
            with Image.open(io.BytesIO(base64.b64decode(self.png)), formats=["PNG"]) as image:
                if max(image.size) > OUTLINE:
                    raise ValueError(f"a sketch is not {image.size} pixels large")
                return image.convert("L")
        except (OSError, SyntaxError) as error:
            raise ValueError(f"a sketch is no picture: {error}") from error


def sketched(observation: Observation, sight: Sight) -> Sketch | None:
    """The mask or depth map behind an observation, if there is one and the store still has it."""
    try:
        if isinstance(observation, Segmented) and observation.mask:
            return _outline(sight.array(observation.mask), observation.box.xyxy)
        if isinstance(observation, Ranged) and observation.map:
            return _slope(sight.array(observation.map))
    except KeyError:  # from a process before this one, or evicted
        return None
    return None


def _outline(mask: NDArray[Any], xyxy: tuple[float, ...]) -> Sketch | None:
    """The part of a (height, width) mask inside its tight box."""
    x0, y0, x1, y1 = (int(side) for side in xyxy)
    step = max(1, max(x1 - x0, y1 - y0) // (2 * OUTLINE))
    inside = mask[y0:y1:step, x0:x1:step]
    if not inside.size:
        return None
    grey = Image.fromarray(inside).convert("L")
    grey.thumbnail((OUTLINE, OUTLINE))
    return _filed(grey.point(lambda level: 255 if level > 127 else 0).convert("1"))


def _slope(nearness: NDArray[Any]) -> Sketch:
    grey = Image.fromarray(nearness)
    grey.thumbnail((SLOPE, SLOPE))
    return _filed(grey)


def _filed(picture: Image.Image) -> Sketch:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Sketch(png=base64.b64encode(file.getvalue()).decode("ascii"))
