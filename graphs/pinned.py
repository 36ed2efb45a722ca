"""The images of a run: in the store for as long as it is under way, and no more of them than its model takes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import MAX_IMAGES
from foveal.agent.errors import InputError
from foveal.agent.model import Sighted
from foveal.agent.profiles import BUILT_IN, load
from foveal.agent.transcript import Original
from foveal.graphs.backends import dialect_of
from foveal.tools.store import ImageStore

Pixels = NDArray[np.uint8]


@asynccontextmanager
async def pinned(
    pictures: Sequence[Pixels], store: ImageStore
) -> AsyncIterator[tuple[Original, ...]]:
    """Put images (height, width, 3) into the store, which keeps them until the end."""
    kept: list[Original] = []
    try:
        for pixels in pictures:
            key = await asyncio.to_thread(store.put, pixels, pin=True)
            kept.append(Original(image=key, size=(pixels.shape[1], pixels.shape[0])))
        yield tuple(kept)
    finally:
        for one in kept:
            store.unpin(one.image)


def most_images(model: object) -> int:
    """How many images a question to a model may come with; the same can be asked of its dialect."""
    return model.images if isinstance(model, Sighted) else MAX_IMAGES


def refuse_more(count: int, model: object, profile: str) -> None:
    """Raises InputError for more images than a model takes, naming a profile whose model takes them."""
    most = most_images(model)
    if count <= most:
        return
    able = [name for name in BUILT_IN if most_images(dialect_of(load(name))) >= count]
    takes = "one image" if most == 1 else f"at most {most} images"
    raise InputError(
        f"profile {profile!r} takes {takes} a question, got {count}; "
        f"use --profile {' or '.join(able)}, or --model with a vision chat model"
    )
