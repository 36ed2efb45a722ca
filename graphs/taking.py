"""What an agent's graph is asked about: loaded on entry, remembered by content, held while it is looked at."""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from foveal.agent.errors import InputError
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.run import Parts, checked_question, run_id
from foveal.graphs.schema import schema_of
from foveal.tools.images import Pixels
from foveal.tools.store import ImageStore, content_hash


@dataclass(frozen=True)
class Owner:
    """What the graph needs of the agent that it belongs to."""

    pictures: Callable[[Any], Sequence[Pixels]]
    """Loads images from where they are, within the agent's limits."""
    store: ImageStore
    parts: Callable[[], Coroutine[Any, Any, Parts]]
    """Loads model and specialists; to be run on the loop."""
    loop: BackgroundLoop


class Taken(TypedDict):
    """A question as it was taken up, so that whoever goes on with it asks the same."""

    run: str
    images: list[dict[str, Any]]
    """Content hash and size of each."""
    schema: dict[str, Any] | None
    verify: bool


def taken_up(
    owner: Owner,
    images: str | list[str],
    question: str,
    schema: dict[str, Any] | None,
    verify: bool,
) -> Taken:
    """Load the images into the agent's store. Raises InputError for what cannot be asked."""
    checked_question(question)
    if schema is not None:
        schema_of(schema)
    found = []
    for pixels in _pictures(owner, images):
        key = owner.store.put(pixels)
        found.append({"image": key, "size": [pixels.shape[1], pixels.shape[0]]})
    return Taken(run=run_id(), images=found, schema=schema, verify=verify)


def _pictures(owner: Owner, images: Any) -> Sequence[Pixels]:
    """The pixels of images that are named by text; stdin is not, since nobody could read it twice."""
    for name in images if isinstance(images, list) else [images]:
        if not isinstance(name, str) or name == "-":
            raise InputError(f"the graph takes images as paths or URLs, got {str(name)[:80]!r}")
    return owner.pictures(images)


def hold(owner: Owner, state: Mapping[str, Any]) -> None:
    """Pin the images that the question was taken up with, from where they are if the store has not got them.

    Raises InputError when they are others by now.
    """
    keys = _keys(state)
    try:
        pictures: Sequence[Pixels] = [owner.store.pixels(key) for key in keys]
    except KeyError:
        pictures = _pictures(owner, state["image"])
        if [content_hash(pixels) for pixels in pictures] != keys:
            raise InputError(
                "the image is not the one that this run began with: its content hash differs; "
                "put that one back, or ask again"
            ) from None
    for pixels in pictures:
        owner.store.put(pixels, pin=True)


@contextmanager
def let_go(owner: Owner, state: Mapping[str, Any]) -> Iterator[None]:
    """Afterwards, let the images go."""
    try:
        yield
    finally:
        for key in _keys(state):
            owner.store.unpin(key)


def _keys(state: Mapping[str, Any]) -> list[str]:
    return [one["image"] for one in state["taken"]["images"]]
