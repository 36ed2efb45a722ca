"""What an action points at, in pixels of the original image."""

from collections.abc import Mapping

from foveal.agent.actions import Object, Perception, Region, targets_of
from foveal.agent.errors import ActionError
from foveal.agent.observations import Box, Found
from foveal.agent.regions import cells_to_box
from foveal.agent.transcript import Asked
from foveal.tools.base import Mark


def resolve(action: Perception, asked: Asked, objects: Mapping[int, Found]) -> tuple[Mark, ...]:
    """The targets of an action, in the order written. Raises ActionError for an object not yet found."""
    return tuple(_mark(target, asked, objects) for target in targets_of(action))


def _mark(target: Region | Object, asked: Asked, objects: Mapping[int, Found]) -> Mark:
    if isinstance(target, Region):
        return Mark(Box(image=asked.image, xyxy=cells_to_box(target, *asked.size)))
    found = objects.get(target.index)
    if found is None:
        raise ActionError(f"there is no object {target.index}; {_known(objects)}")
    return Mark(found.box, found.index, found.label)


def _known(objects: Mapping[int, Found]) -> str:
    if not objects:
        return "nothing was found so far"
    return "found so far: " + ", ".join(f"{n} {found.label}" for n, found in objects.items())
