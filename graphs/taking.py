"""What an agent's graph is asked about: loaded on entry, remembered by content, held while it is looked at."""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from foveal.agent.errors import InputError
from foveal.graphs.course import run_id
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.run import Parts, checked_question
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


def reloaded(owner: Owner, state: Mapping[str, Any]) -> Sequence[Pixels]:
    """The images that the question was taken up with, where the store has not got them; else nothing.

    Raises InputError when they are others by now.
    """
    keys = _keys(state)
    if all(key in owner.store for key in keys):
        return ()
    pictures = _pictures(owner, state["image"])
    if [content_hash(pixels) for pixels in pictures] != keys:
        raise InputError(
            "the image is not the one that this run began with: its content hash differs; "
            "put that one back, or ask again"
        )
    return pictures


@contextmanager
def held(owner: Owner, state: Mapping[str, Any], pictures: Sequence[Pixels]) -> Iterator[None]:
    """Inside, the images stay in the store, into which those that were loaded again are put."""
    with ExitStack() as stack:
        for pixels in pictures:
            stack.callback(owner.store.unpin, owner.store.put(pixels, pin=True))
        for key in _keys(state) if not pictures else ():
            owner.store.pin(key)
            stack.callback(owner.store.unpin, key)
        yield


def _keys(state: Mapping[str, Any]) -> list[str]:
    return [one["image"] for one in state["taken"]["images"]]
