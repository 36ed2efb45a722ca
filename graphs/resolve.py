"""What an action points at, in pixels of the original image."""

from collections.abc import Mapping
from typing import assert_never

from foveal.agent.actions import Area, Object, Perception, Region, Target, targets_of
from foveal.agent.errors import ActionError
from foveal.agent.observations import Box, Found
from foveal.agent.regions import area_to_box, cells_to_box
from foveal.agent.transcript import Asked
from foveal.tools.base import Mark


def resolve(action: Perception, asked: Asked, objects: Mapping[int, Found]) -> tuple[Mark, ...]:
    """The targets of an action, in the order written. Raises ActionError for an object not yet found."""
    return tuple(_mark(target, asked, objects) for target in targets_of(action))


def _mark(target: Target, asked: Asked, objects: Mapping[int, Found]) -> Mark:
    match target:
        case Region():
            return Mark(Box(image=asked.image, xyxy=cells_to_box(target, *asked.size)))
        case Area():
            return Mark(Box(image=asked.image, xyxy=area_to_box(target, *asked.size)))
        case Object():
            return _found(target.index, objects)
        case _:
            assert_never(target)


def _found(index: int, objects: Mapping[int, Found]) -> Mark:
    found = objects.get(index)
    if found is None:
        raise ActionError(f"there is no object {index}; {_known(objects)}")
    return Mark(found.box, found.index, found.label)


def _known(objects: Mapping[int, Found]) -> str:
    if not objects:
        return "nothing was found so far"
    return "found so far: " + ", ".join(f"{n} {found.label}" for n, found in objects.items())
