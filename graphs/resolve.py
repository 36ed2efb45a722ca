"""What an action points at: in which of the question's images, and where in its pixels."""

from collections.abc import Mapping
from typing import assert_never

from foveal.agent.actions import Area, Object, Perception, Region, Target, image_missing, targets_of
from foveal.agent.errors import ActionError
from foveal.agent.observations import Box, Found
from foveal.agent.regions import area_to_box, cells_to_box
from foveal.agent.transcript import Asked, Original
from foveal.tools.base import Mark


def picked(action: Perception, asked: Asked, objects: Mapping[int, Found]) -> int | None:
    """The number of the image that an action is about; None when the question came with one.

    Objects are looked at where they were found, and the first image is meant where nothing says another. Raises
    ActionError for an image that is not there, and for targets that are not all in one.
    """
    if action.image is not None and action.image > len(asked.images):
        raise image_missing(action.image, len(asked.images))
    if not asked.more:
        return None
    targets = targets_of(action)
    homes = _homes(targets, asked, objects)
    only_objects = bool(homes) and len(homes) == len(set(targets))
    image = action.image or (next(iter(homes.values())) if only_objects else 1)
    for index, home in homes.items():
        if home != image:
            problem = f"object {index} is in image {home}, not in image {image}"
            raise ActionError(f"{problem}; look at one image at a time")
    return image


def resolve(action: Perception, asked: Asked, objects: Mapping[int, Found]) -> tuple[Mark, ...]:
    """The targets of an action, in the order written. Raises ActionError for an object not yet found, and as
    `picked` does."""
    image = asked.picked(picked(action, asked, objects))
    return tuple(_mark(target, image, objects) for target in targets_of(action))


def _homes(
    targets: tuple[Target, ...], asked: Asked, objects: Mapping[int, Found]
) -> dict[int, int]:
    """In which image each object is that was found and is pointed at."""
    return {
        target.index: asked.number_of(objects[target.index].box.image)
        for target in targets
        if isinstance(target, Object) and target.index in objects
    }


def _mark(target: Target, image: Original, objects: Mapping[int, Found]) -> Mark:
    match target:
        case Region():
            return Mark(Box(image=image.image, xyxy=cells_to_box(target, *image.size)))
        case Area():
            return Mark(Box(image=image.image, xyxy=area_to_box(target, *image.size)))
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
