"""What each action of a run pointed at, in pixels: worked out again from its result."""

from collections.abc import Iterator

from foveal.agent.errors import ActionError
from foveal.agent.observations import Detected, Found
from foveal.agent.transcript import Asked
from foveal.graphs.resolve import resolve
from foveal.graphs.result import Hop, Result
from foveal.tools.base import Mark


def pointed(result: Result, size: tuple[int, int]) -> Iterator[tuple[Hop, tuple[Mark, ...]]]:
    """Each hop with its targets; without any where it named an object that was not found."""
    asked = Asked(image=result.image, size=size, question="?")
    objects: dict[int, Found] = {}
    for hop in result.hops:
        try:
            yield hop, resolve(hop.instead or hop.action, asked, objects)
        except ActionError:
            yield hop, ()
        if isinstance(hop.observation, Detected):
            objects |= {found.index: found for found in hop.observation.objects if found.index}
