"""A specialist of another package behind a gate: what it answers must be what was asked for, and make sense.

A wrong type is for the user, who chose it; numbers that make no sense cost one request, as any failure does.
"""

from collections.abc import Iterator, Sequence
from typing import Any, assert_never

import numpy as np

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
)
from foveal.tools.base import Reply, Request, Specialist
from foveal.tools.dispatch import described

EXPECTED: dict[PerceptionKind, type[Detected | Segmented | Ranged | Recognised]] = {
    "detect": Detected,
    "segment": Segmented,
    "depth": Ranged,
    "read": Recognised,
}
"""What each action comes back as."""
CURE = "report it to its author, or choose another in the profile's [specialists]"


class Checked:
    """Passes requests on and looks at what comes back."""

    def __init__(self, place: str, package: str, inner: Specialist, draws: bool) -> None:
        """`package` is named in errors; `draws` is whether pictures are passed on."""
        self.inner = inner
        """What does the work, and remembers."""
        self._place, self._package, self._draws = place, package, draws

    def warm_up(self) -> None:
        """As the specialist does."""
        try:
            self.inner.warm_up()
        except FovealError:
            raise
        except Exception as error:
            problem = f"the {self._place} of {self._package} fails to warm up ({described(error)})"
            raise SetupError(problem, CURE) from error

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Its replies. Raises SetupError for what is no reply, SpecialistError for one that makes no sense."""
        try:
            replies: Any = self.inner.run(batch)
        except FovealError:
            raise
        except Exception as error:
            reason = f"{self._package}: {described(error)}"
            raise SpecialistError(self._place, reason) from error
        if not isinstance(replies, list | tuple) or len(replies) != len(batch):
            counted = f" of {len(replies)}" if isinstance(replies, list | tuple) else ""
            self._refuse(f"gave a {type(replies).__name__}{counted} for {len(batch)} requests")
        return [self._reply(*pair) for pair in zip(batch, replies, strict=True)]

    def _reply(self, request: Request, reply: Any) -> Reply:
        if not isinstance(reply, Reply):
            self._refuse(f"gave a {type(reply).__name__}, not a Reply")
        expected, seen = EXPECTED[request.action.kind], reply.observation
        if not isinstance(seen, expected):
            kind = request.action.kind
            self._refuse(f"answered {kind!r} with {type(seen).__name__}, not {expected.__name__}")
        if reply.features:
            self._refuse("gave features, which only encoders do")
        nonsense = next(_nonsense(request, reply), None)
        if nonsense:
            raise SpecialistError(self._place, f"{self._package} {nonsense}; {CURE}")
        return reply if self._draws else Reply(seen, reply.mask, map=reply.map)

    def _refuse(self, what: str) -> None:
        raise SetupError(f"the {self._place} of {self._package} {what}", CURE)


def _nonsense(request: Request, reply: Reply) -> Iterator[str]:
    """What cannot be, one at a time."""
    height, width = request.pixels.shape[:2]
    for box in _boxes(reply.observation):
        x0, y0, x1, y1 = box.xyxy
        if box.image != request.image:
            yield f"gave a box of another image, {box.image[:12]!r}"
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            yield f"gave the box {box.xyxy}, which is not inside the image of {width} x {height}"
    for share in _shares(reply.observation):
        if not 0 <= share <= 1:
            yield f"gave {share:g} where a share from 0 to 1 belongs"
    if isinstance(reply.observation, Ranged):
        ranges, marks = len(reply.observation.ranges), len(request.marks)
        if ranges != marks:
            yield f"gave {ranges} distances for {marks} targets"
    yield from _ill_shaped(reply, height, width)


def _ill_shaped(reply: Reply, height: int, width: int) -> Iterator[str]:
    mask = reply.mask
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != (height, width)):
        yield f"gave a mask of {mask.dtype} {mask.shape}, expected bool {(height, width)}"
    if reply.map is not None and (reply.map.dtype != np.uint8 or reply.map.ndim != 2):
        yield f"gave a map of {reply.map.dtype} {reply.map.shape}, expected uint8 (rows, columns)"
    for picture in reply.pictures:
        pixels = picture.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            yield f"drew {pixels.dtype} {pixels.shape}, expected uint8 (height, width, 3)"


def _boxes(seen: Observation) -> Iterator[Box]:
    match seen:
        case Detected():
            yield from (found.box for found in seen.objects)
        case Recognised():
            yield from (line.box for line in seen.lines)
        case Ranged():
            yield from (one.box for one in seen.ranges)
        case Segmented():
            yield seen.box
        case Looked() | Reencoded() | Failed():
            return
        case _:
            assert_never(seen)


def _shares(seen: Observation) -> Iterator[float]:
    match seen:
        case Detected():
            yield from (found.score for found in seen.objects)
        case Recognised():
            yield from (line.score for line in seen.lines)
        case Ranged():
            yield from (one.depth for one in seen.ranges)
        case Segmented():
            yield seen.share
        case Looked() | Reencoded() | Failed():
            return
        case _:
            assert_never(seen)
