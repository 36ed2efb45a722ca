"""Which parts of the images an answer rests on, and what the user should know besides.

The rule, per observation and in order:

- detected: the objects that a later action points at; if none does, all of them
- segmented: the box of the mask
- recognised: each line of text
- looked, ranged: the regions and areas; objects are already there as detected
- anything else shows the whole image and adds nothing

The same thing seen twice counts once. In a conversation, what was found for an earlier question counts where an
action points at it.
"""

from collections.abc import Iterable, Iterator, Sequence

from foveal.agent.actions import Object, Perception, targets_of
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.agent.transcript import Observed
from foveal.graphs.result import Evidence, Hop


def evidence(hops: Sequence[Hop]) -> tuple[Evidence, ...]:
    """The evidence that a run's hops have gathered."""
    used = _used(hops)
    return tuple(dict.fromkeys(piece for hop in hops for piece in _pieces(hop, used)))


def recalled(hops: Sequence[Hop], past: Iterable[object]) -> tuple[Evidence, ...]:
    """What was found before the question, in the transcript's `past`, and is pointed at after it."""
    used = _used(hops)
    pieces = (
        Evidence(
            label=found.label,
            box=found.box.xyxy,
            score=found.score,
            action="detect",
            image=item.image,
        )
        for item in past
        if isinstance(item, Observed) and isinstance(item.observation, Detected)
        for found in item.observation.objects
        if found.index in used
    )
    return tuple(dict.fromkeys(pieces))


def _used(hops: Iterable[Hop]) -> set[int]:
    """The objects that actions point at."""
    return {index for hop in hops for index in _objects(hop.instead or hop.action)}


def _objects(action: Perception) -> Iterator[int]:
    return (target.index for target in targets_of(action) if isinstance(target, Object))


def _pieces(hop: Hop, used: set[int]) -> Iterator[Evidence]:
    for label, box, score in _boxes(hop.observation, used):
        kind = hop.action.kind
        yield Evidence(label=label, box=box.xyxy, score=score, action=kind, image=hop.image)


def _boxes(observation: Observation, used: set[int]) -> Iterable[tuple[str, Box, float | None]]:
    match observation:
        case Detected():
            chosen = [found for found in observation.objects if found.index in used]
            return [(f.label, f.box, f.score) for f in chosen or observation.objects]
        case Segmented():
            return [(observation.label, observation.box, None)]
        case Recognised():
            return [(line.text, line.box, line.score) for line in observation.lines]
        case Looked():
            return [("", view.source, None) for view in observation.views if not observation.index]
        case Ranged():
            return [(r.label, r.box, None) for r in observation.ranges if not r.index]
        case _:
            return []


def notes(hops: Iterable[Hop], profile: str) -> tuple[str, ...]:
    """What a reader of the answer should know about the looking."""
    return tuple(dict.fromkeys(note for hop in hops for note in _notes(hop.observation, profile)))


def _notes(observation: Observation, profile: str) -> Iterator[str]:
    if isinstance(observation, Failed) and observation.error == "specialist":
        yield observation.message
    if isinstance(observation, Detected):
        for phrase in observation.unknown:
            yield (
                f"the detector of profile {profile!r} has no class for {phrase!r}; "
                "use a profile whose detector has one"
            )
