"""Look and Reencode: a crop through the model's own vision tower, the whole image through any of its encoders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Encoder as Kind
from foveal.agent.actions import Look, Object, Reencode
from foveal.agent.errors import InputError, SpecialistError
from foveal.agent.observations import Box, Looked, Reencoded, View
from foveal.agent.regions import MIN_SIDE, grown, quarters
from foveal.agent.vision import quartered
from foveal.tools.base import Features, Mark, Reply, Request
from foveal.tools.cache import ByteLRU
from foveal.tools.towers import Tower, towers_of, variant_of

CACHE = 256 * 2**20
"""Bytes of features remembered."""
OWN: Kind = "clip"
"""The model's own vision tower, which crops pass; the paper's name for it."""

Key = tuple[Kind, str, tuple[float, ...]]
"""Tower, image and crop: what decides the features, while the towers stay the same."""


@dataclass(frozen=True)
class _Asked:
    """One request: what it shows, and through which tower."""

    observation: Looked | Reencoded
    pixels: NDArray[np.uint8]
    """The original image."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """One per view."""
        seen = self.observation
        kind = seen.encoder if isinstance(seen, Reencoded) else OWN
        return tuple((kind, view.source.image, view.source.xyxy) for view in seen.views)

    def cut(self, key: Key) -> NDArray[np.uint8]:
        """The part to encode."""
        x0, y0, x1, y1 = (int(value) for value in key[2])
        return np.ascontiguousarray(self.pixels[y0:y1, x0:x1])


class Encoder:
    """Turns pictures into visual tokens, or into the features from which the model's projector makes them."""

    def __init__(
        self, towers: Mapping[Kind, Tower], smallest: int = MIN_SIDE, *, quartered: bool = False
    ) -> None:
        """`smallest`: to how many pixels a narrow crop is widened, where the image allows it.

        `quartered`: whether the model's own tower re-encodes an image in quarters, and so sees it larger.
        """
        self._towers, self._smallest, self._quartered = dict(towers), smallest, quartered
        self._known: ByteLRU[Features] = ByteLRU(CACHE)
        self.encoded = 0
        """Pictures encoded so far."""

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "Encoder":
        """From the language model's own weights, which hold its towers; each is loaded when first used."""
        variant = variant_of(folder)
        # A released checkpoint has its own way with narrow crops: they are enlarged, and show nothing more.
        smallest = MIN_SIDE if variant is None else 1
        towers = towers_of(folder, variant, device)
        return cls(towers, smallest, quartered=variant is None and quartered(folder))

    def warm_up(self) -> None:
        """Encode a black picture with every tower."""
        for tower in self._towers.values():
            tower.encode_all([np.zeros((56, 56, 3), np.uint8)])

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """The observation with its views, and their features; what shares a tower is encoded at once."""
        asked = [self._asked(request) for request in batch]
        features = self._features({key: one for one in asked for key in one.keys})
        return [
            Reply(one.observation, features=tuple(features[key] for key in one.keys))
            for one in asked
        ]

    def _asked(self, request: Request) -> _Asked:
        observation = seen(request, self._towers, self._smallest, quartered=self._quartered)
        return _Asked(observation, request.pixels)

    def _features(self, asked: Mapping[Key, _Asked]) -> dict[Key, Features]:
        """Remembered, or encoded now and then remembered."""
        found = {key: known for key in asked if (known := self._known.get(key)) is not None}
        for kind in self._towers:
            fresh = [key for key in asked if key[0] == kind and key not in found]
            found |= zip(
                fresh, self._encoded(kind, [asked[key].cut(key) for key in fresh]), strict=True
            )
            for key in fresh:
                self._known.put(key, found[key], found[key].values.nbytes)
        return found

    def _encoded(self, kind: Kind, pictures: Sequence[NDArray[np.uint8]]) -> list[Features]:
        if not pictures:
            return []
        try:
            encoded = self._towers[kind].encode_all(pictures)
        except InputError as error:  # the user's image is fine; the model asked for this part of it
            raise SpecialistError("encoder", str(error)) from error
        self.encoded += len(pictures)
        return [Features(one.values, one.grid) for one in encoded]


def seen(
    request: Request,
    kinds: Collection[Kind] = (OWN,),
    smallest: int = MIN_SIDE,
    *,
    quartered: bool = False,
) -> Looked | Reencoded:
    """What the request shows, before anything is encoded. `kinds` are the encoders that there are.

    `quartered`: whether the own one sees an image once more in quarters.
    """
    action = request.action
    height, width = request.pixels.shape[:2]
    if isinstance(action, Look):
        mark = _only(request)
        box = Box(image=request.image, xyxy=crop_of(mark, action, width, height, smallest))
        view = View(role="crop", pixels=box, source=box)
        return Looked(index=mark.index, label=mark.label, views=(view,))
    if not isinstance(action, Reencode):
        raise TypeError(f"the encoder cannot {action.kind}")
    if action.encoder not in kinds:
        raise SpecialistError("encoder", f"this profile has no {action.encoder!r} re-encoder")
    return reencoded(action.encoder, request.image, width, height, quartered=quartered)


def reencoded(
    kind: Kind, image: str, width: int, height: int, *, quartered: bool = False
) -> Reencoded:
    """An image once more: all of it, or through the model's own tower, if `quartered`, its quarters."""
    if quartered and kind == OWN:
        boxes = [Box(image=image, xyxy=xyxy) for xyxy in quarters(width, height)]
        views = tuple(View(role="crop", pixels=box, source=box) for box in boxes)
        return Reencoded(encoder=kind, views=views)
    whole = Box(image=image, xyxy=(0, 0, width, height))
    return Reencoded(encoder=kind, views=(View(role="whole", pixels=whole, source=whole),))


def crop_of(
    mark: Mark, action: Look, width: int, height: int, smallest: int = MIN_SIDE
) -> tuple[int, int, int, int]:
    """The pixels to show: an object's box with a margin; a region, which has one, or an area as it is."""
    margin = 0.25 if isinstance(action.target, Object) else 0.0
    return grown(mark.box.xyxy, width, height, margin, smallest)


def _only(request: Request) -> Mark:
    if len(request.marks) != 1:
        raise TypeError(f"a look needs one resolved target, got {len(request.marks)}")
    return request.marks[0]
