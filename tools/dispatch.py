"""From an action to a complete observation: the specialist, then the encoder for the pictures it drew.

`perceive` is shared by every carrier. `InlineDispatcher` is the carrier in this process: one thread per
specialist, loaded when first used. Foreign exceptions become ours here and nowhere else.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from foveal.agent.actions import Area, Look, Perception
from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.agent.observations import Box, Observation, Ranged, Segmented, View, VisualTokens
from foveal.tools.base import Features, Mark, Picture, Reply, Request, Specialist
from foveal.tools.catalogue import ENCODER, Crew, Factory, specialist_for
from foveal.tools.encoder import seen
from foveal.tools.store import ImageStore

_log = logging.getLogger(__name__)

Run = Callable[[str, Request], Awaitable[Reply]]
"""A carrier: brings one request to the named specialist. Raises FovealError only."""

EVERYTHING = Look(target=Area(x0=0, y0=0, x1=1, y1=1))
"""A look at all of a picture."""
LONGEST_REASON = 300
"""Characters of a foreign error's message that the model is shown."""


async def perceive(
    run: Run, store: ImageStore, crew: Crew, action: Perception, image: str, marks: Sequence[Mark]
) -> Observation:
    """Both stages, with masks, pictures and features in the store and their keys in the observation."""
    name = specialist_for(action.kind)
    with foreign_as_ours(name):
        request = Request(action, image, store.pixels(image), tuple(marks))
        if name == ENCODER and ENCODER not in crew:
            return seen(request)
        if name not in crew:
            raise SpecialistError(name, f"this profile has none; it has {', '.join(sorted(crew))}")
        reply = await run(name, request)
        observation = reply.observation
        if reply.mask is not None or reply.map is not None:
            observation = await asyncio.to_thread(_with_array, reply, store)
        views = await _views(run, store, crew, reply)
        return observation.model_copy(update={"views": views}) if views else observation


def _with_array(reply: Reply, store: ImageStore) -> Observation:
    """The observation with the key of what was measured beside it: a mask, or a map of distances."""
    seen = reply.observation
    if reply.mask is not None and isinstance(seen, Segmented):
        return seen.model_copy(update={"mask": store.put_array(reply.mask)})
    if reply.map is not None and isinstance(seen, Ranged):
        return seen.model_copy(update={"map": store.put_array(reply.map)})
    return seen


async def _views(run: Run, store: ImageStore, crew: Crew, reply: Reply) -> tuple[View, ...]:
    """The encoder's own views with their features, then one view per picture."""
    own = getattr(reply.observation, "views", ())
    encoded = [_tokened(view, one, store) for view, one in zip(own, reply.features, strict=True)]
    shown = await asyncio.gather(*(_shown(run, store, crew, one) for one in reply.pictures))
    return (*encoded, *shown)


async def _shown(run: Run, store: ImageStore, crew: Crew, picture: Picture) -> View:
    key = await asyncio.to_thread(store.put, picture.pixels)
    height, width = picture.pixels.shape[:2]
    whole = Box(image=key, xyxy=(0, 0, width, height))
    view = View(role=picture.role, pixels=whole, source=picture.source)
    if ENCODER not in crew:
        return view
    reply = await run(ENCODER, Request(EVERYTHING, key, store.pixels(key), (Mark(whole),)))
    return _tokened(view, reply.features[0], store)


def _tokened(view: View, features: Features, store: ImageStore) -> View:
    tokens = VisualTokens(key=store.put_array(features.values), grid=features.grid)
    return view.model_copy(update={"tokens": tokens})


def load(name: str, factory: Factory) -> Specialist:
    """Make a specialist. Whatever goes wrong is the user's to mend: SetupError."""
    began = time.monotonic()
    try:
        made = factory()
        _log.info("%s loaded in %.2f s", name, time.monotonic() - began)
        return made
    except FovealError:
        raise
    except Exception as error:
        problem = f"{name} cannot be loaded ({described(error)})"
        raise SetupError(problem, "run `agent doctor` to see what is wrong") from error


def answers(
    name: str, specialist: Specialist, batch: Sequence[Request]
) -> list[Reply | FovealError]:
    """One reply or error per request, in order; one bad request does not spoil its neighbours."""
    try:
        with foreign_as_ours(name):
            replies = specialist.run(batch)
            if len(replies) != len(batch):
                reason = f"gave {len(replies)} replies to {len(batch)} requests"
                raise SpecialistError(name, reason)
            return list(replies)
    except FovealError as error:
        if len(batch) == 1:
            return [error]
    return [outcome for request in batch for outcome in answers(name, specialist, [request])]


@contextmanager
def foreign_as_ours(name: str) -> Iterator[None]:
    """Any exception that is not ours becomes SpecialistError, naming its type and reason."""
    try:
        yield
    except FovealError:
        raise
    except Exception as error:
        raise SpecialistError(name, described(error)) from error


def described(error: BaseException) -> str:
    """An error's type and message on one line."""
    reason = " ".join(str(error).split())[:LONGEST_REASON]
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


class InlineDispatcher:
    """Runs specialists in this process."""

    def __init__(self, store: ImageStore, crew: Crew) -> None:
        self._store, self._crew = store, crew
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._specialists: dict[str, Specialist] = {}

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """Run one action on the stored image with this hash."""
        return await perceive(self._run, self._store, self._crew, action, image, marks)

    async def close(self) -> None:
        """Let running work finish, drop what waits, and forget the specialists."""
        for lane in self._lanes.values():
            await asyncio.to_thread(lane.shutdown, cancel_futures=True)
        self._lanes.clear()
        self._specialists.clear()

    async def _run(self, name: str, request: Request) -> Reply:
        lane = self._lanes.setdefault(name, ThreadPoolExecutor(1, f"foveal-{name}"))
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(lane, self._answer, name, request)
        if isinstance(outcome, FovealError):
            raise outcome
        return outcome

    def _answer(self, name: str, request: Request) -> Reply | FovealError:
        """In the specialist's own thread."""
        if name not in self._specialists:
            self._specialists[name] = load(name, self._crew[name])
        return answers(name, self._specialists[name], [request])[0]
