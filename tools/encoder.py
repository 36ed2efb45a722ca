"""Look and Reencode: the model's own vision tower on a crop, on the whole image or on a specialist's picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Look, Reencode, Region
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Looked, Reencoded, View
from foveal.agent.regions import grown
from foveal.tools.base import Features, Mark, Reply, Request
from foveal.tools.cache import ByteLRU
from foveal.tools.extras import needs

CACHE = 256 * 2**20
"""Bytes of features remembered."""


class Encoder:
    """Turns pictures into the model's visual tokens."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower
        self._known: ByteLRU[Features] = ByteLRU(CACHE)
        self.encoded = 0
        """Pictures encoded so far."""

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "Encoder":
        """From the language model's own weights: its vision tower."""
        with needs("models"):
            from foveal.agent.vision import VisionEncoder

            return cls(VisionEncoder.from_folder(folder, device))

    def warm_up(self) -> None:
        """Encode a black picture."""
        self._tower.encode(np.zeros((56, 56, 3), np.uint8))

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """The observation with one view, and the view's features."""
        return [self._reply(request) for request in batch]

    def _reply(self, request: Request) -> Reply:
        observation = seen(request)
        view = observation.views[0]
        return Reply(observation, features=(self._encode(request, view.source.xyxy),))

    def _encode(self, request: Request, xyxy: tuple[float, ...]) -> Features:
        key = (request.image, xyxy)
        known = self._known.get(key)
        if known is None:
            self.encoded += 1
            known = self._features(_cut(request.pixels, xyxy))
            self._known.put(key, known, known.values.nbytes)
        return known

    def _features(self, pixels: NDArray[np.uint8]) -> Features:
        out = self._tower.encode(pixels)
        return Features(values=np.asarray(out.values), grid=tuple(out.grid))


def seen(request: Request) -> Looked | Reencoded:
    """What the request shows, before anything is encoded."""
    action = request.action
    height, width = request.pixels.shape[:2]
    if isinstance(action, Look):
        mark = _only(request)
        box = Box(image=request.image, xyxy=crop_of(mark, action, width, height))
        view = View(role="crop", pixels=box, source=box)
        return Looked(index=mark.index, label=mark.label, views=(view,))
    if isinstance(action, Reencode) and action.encoder == "clip":
        whole = Box(image=request.image, xyxy=(0, 0, width, height))
        return Reencoded(encoder="clip", views=(View(role="whole", pixels=whole, source=whole),))
    if isinstance(action, Reencode):
        reason = f"this profile has no {action.encoder!r} re-encoder"
        raise SpecialistError("encoder", reason)
    raise TypeError(f"the encoder cannot {action.kind}")


def crop_of(mark: Mark, action: Look, width: int, height: int) -> tuple[int, int, int, int]:
    """The pixels to show: a region as resolved, its margin included; an object's box with a margin."""
    margin = 0.0 if isinstance(action.target, Region) else 0.25
    return grown(mark.box.xyxy, width, height, margin)


def _only(request: Request) -> Mark:
    if len(request.marks) != 1:
        raise TypeError(f"a look needs one resolved target, got {len(request.marks)}")
    return request.marks[0]


def _cut(pixels: NDArray[np.uint8], xyxy: tuple[float, ...]) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = (int(value) for value in xyxy)
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])
