"""What an observation points at, as bytes that outlive the process: features, masks and derived pictures."""

import io
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.errors import InputError
from foveal.agent.observations import Observation, Ranged, Segmented, View
from foveal.tools.store import ImageStore, content_hash

QUICK = 1
"""zlib's level: masks shrink a hundredfold at any, and features hardly at any."""


def pointed_at(observation: Observation) -> Iterator[str]:
    """The store keys that a session needs to see an observation again, and those of masks and maps."""
    views: tuple[View, ...] = getattr(observation, "views", ())
    for view in views:
        yield view.tokens.key if view.tokens else view.pixels.image
    if isinstance(observation, Segmented) and observation.mask:
        yield observation.mask
    if isinstance(observation, Ranged) and observation.map:
        yield observation.map


def packed(array: NDArray[Any]) -> bytes:
    """An array as bytes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return zlib.compress(file.getvalue(), QUICK)


def restored(key: str, data: bytes, store: ImageStore) -> None:
    """Put back what was kept under a key. Raises InputError when the bytes are not what they were."""
    try:
        array = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    except (zlib.error, ValueError, EOFError) as error:
        raise InputError(f"what a hop saw is damaged ({error}); ask the question again") from error
    if content_hash(array) != key:
        raise InputError("what a hop saw was changed in the database; ask the question again")
    store.put_array(array)
