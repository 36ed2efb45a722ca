"""Two hundred questions while actors that answer them are killed, and nodes come and go: nothing is lost or wrong.

Whoever kills strikes once a second, or as soon as a dozen questions have been answered since the last death, so
that a fast machine sees no fewer deaths than a slow one; and never before at least one has been answered, or a
machine that takes more than a second to start a process would only be asked how fast it is.
"""

import asyncio
import io
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Detect
from foveal.agent.grammar import parse
from foveal.agent.model import Session, Sight
from foveal.agent.observations import Box, Detected, Found, Line, Observation, Recognised
from foveal.agent.pools import Pool
from foveal.agent.scripted import ScriptedModel, ScriptedSession
from foveal.agent.transcript import Acted, Injected
from foveal.graphs.agent import Agent
from foveal.graphs.batch import Answered, Batch, Outcome
from foveal.graphs.query import Query
from foveal.tools import ray_cluster
from foveal.tools.base import Dispatcher, Reply, Request
from foveal.tools.cache import ByteLRU
from foveal.tools.catalogue import Crew
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.ray_home import PROMPT
from foveal.tools.ray_route import Replica
from foveal.tools.store import ImageStore

pytestmark = [pytest.mark.ray, pytest.mark.slow]

QUESTIONS, IMAGES, SIDE = 200, 40, 256
OFTEN = 12
"""Answers after which somebody dies although the second is not over."""
SPREAD = Pool(replicas=3, max_batch=4, max_restarts=-1, placement="spread")
POOLS = {"reader": SPREAD, "detector": SPREAD.model_copy(update={"replicas": 2})}
NODE: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 * 2**20}

Numbers = NDArray[np.int64]


class Surveyor:
    """A specialist that blurs an image: it finds a height, or reads those on the diagonal."""

    def __init__(self, remembered: int) -> None:
        """So many bytes of reliefs, or the last one alone."""
        self.reliefs: ByteLRU[Numbers] = ByteLRU(remembered)

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        return [Reply(self._reply(request)) for request in batch]

    def _reply(self, request: Request) -> Observation:
        relief = self._relief(request)
        if isinstance(request.action, Detect):
            return self._found(request, relief, request.action.phrase)
        box = Box(image=request.image, xyxy=(0, 0, SIDE, SIDE))
        text = " ".join(map(str, relief.diagonal()[::16]))
        return Recognised(lines=(Line(text=text, box=box, score=1),))

    def _found(self, request: Request, relief: Numbers, phrase: str) -> Detected:
        distances = np.abs(relief - int(phrase.split()[-1]))
        y, x = divmod(int(distances.argmin()), SIDE)
        box = Box(image=request.image, xyxy=(x, y, x + 1, y + 1))
        label, score = f"off by {distances.min()}", float((distances < 10_000).mean())
        return Detected(phrase=phrase, objects=(Found(label=label, box=box, score=score),))

    def _relief(self, request: Request) -> Numbers:
        known = self.reliefs.get(request.image)
        if known is None:
            known = request.pixels.sum(axis=2, dtype=np.int64) * 1000
            for _ in range(40):
                moved = [np.roll(known, step, axis) for axis in (0, 1) for step in (-1, 1)]
                known = (moved[0] + moved[1] + moved[2] + moved[3]) // 4
            self.reliefs.put(request.image, known, known.nbytes)
        return known


CREW: Crew = {"reader": partial(Surveyor, 0), "detector": partial(Surveyor, 20 * 2**20)}


class Obedient:
    """A model whose question is what it has to do."""

    name = "obedient"

    async def open(self, transcript: Sequence[Any], sight: Sight) -> Session:
        return Obeying(ScriptedModel(transcript[0].question.split(" then ")), 0)


class Obeying(ScriptedSession):
    """Does it, and answers with everything that it was told."""

    told = ""

    async def observe(self, items: Sequence[Injected]) -> None:
        self.told += "".join(
            one.observation.model_dump_json() for one in items if one.kind == "observed"
        )

    async def act(self, *arguments: Any, **options: Any) -> Acted:
        acted = await super().act(*arguments, **options)
        return acted if acted.text else Acted(text=self.told, actions=parse(self.told))


def image(number: int) -> bytes:
    """A mosaic, encoded."""
    cells = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(cells.repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)).save(written, "png")
    return written.getvalue()


def questions() -> Iterator[Query]:
    """Each asks for one specialist or for both; no two have the same answer."""
    images = [image(number) for number in range(IMAGES)]
    for n in range(QUESTIONS):
        detect = f"<|detect_start|>height {3000 * n}<|detect_end|>"
        read = "<|read_start|><|read_end|>"
        asked = (f"{detect} then {read}", f"{read} then {detect}", detect)[n % 3]
        yield Query(n, f"{n}", images[n % IMAGES], f"{n % IMAGES}", asked)


Answers = Mapping[str, str]


async def answers(
    dispatcher: Dispatcher, store: ImageStore, watch: Callable[[Outcome], None]
) -> Answers:
    """Every question asked through the loop; by its id, what came of it."""
    kept: list[Outcome] = []
    with Agent(model=Obedient(), dispatcher=dispatcher, store=store) as agent:
        await Batch(agent, kept.extend, in_flight=16, watch=watch).run(questions())
    assert len(kept) == QUESTIONS
    assert [outcome for outcome in kept if not isinstance(outcome, Answered)] == []
    return {one.query.id: one.result.answer for one in kept if isinstance(one, Answered)}


@dataclass
class Killer:
    """Ends one actor after the other, in Ray's way and in the kernel's in turn, while questions are answered."""

    replicas: list[Replica]
    answered: int = 0
    killed: set[tuple[str, int]] = field(default_factory=set)
    """Each with how often it had been started again: nobody is killed twice."""
    hit: int = 0
    """Requests that the killed ones were at."""

    def watch(self, outcome: Outcome) -> None:
        """A question was answered."""
        self.answered += 1

    @asynccontextmanager
    async def at_large(self) -> AsyncIterator[None]:
        """Inside, it kills."""
        task = asyncio.create_task(self._kill())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, answered: int) -> None:
        """So many questions were answered."""
        while self.answered < answered:
            await asyncio.sleep(0.01)

    async def _kill(self) -> None:
        while True:
            await self._due()
            replica, record = await self._victim()
            with suppress(ProcessLookupError):  # it has just gone with its node
                self._strike(replica, record["Pid"])
                self.killed.add(_life(replica, record))

    def _strike(self, replica: Replica, process: int) -> None:
        import ray

        self.hit += replica.outstanding
        if len(self.killed) % 2:
            os.kill(process, signal.SIGKILL)
        else:
            ray.kill(replica.actor, no_restart=False)

    async def _due(self) -> None:
        struck, before = time.monotonic(), self.answered
        while (new := self.answered - before) < OFTEN:
            if new and time.monotonic() - struck > 1:
                return
            await asyncio.sleep(0.01)

    async def _victim(self) -> tuple[Replica, Mapping[str, Any]]:
        """Whoever is alive and was not struck for longest, and what the cluster knows of it."""
        while True:
            for replica in self.replicas:
                record = ray_cluster.record(replica.actor)
                if record["State"] == "ALIVE" and _life(replica, record) not in self.killed:
                    self.replicas.remove(replica)
                    self.replicas.append(replica)
                    return replica, record
            await asyncio.sleep(0.01)


def _life(replica: Replica, record: Mapping[str, Any]) -> tuple[str, int]:
    return replica.key, int(record["NumRestarts"])


@pytest.fixture
def cluster() -> Iterator[Any]:
    """One raylet, to which others may be added; they know this file, which they cannot import."""
    import ray
    from ray.cluster_utils import Cluster

    nodes: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    os.environ.update(PROMPT)
    ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.ERROR)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def quiet() -> Answers:
    """What is answered when nobody dies."""
    store = ImageStore()
    dispatcher = InlineDispatcher(store, CREW)
    found = asyncio.run(answers(dispatcher, store, lambda outcome: None))
    asyncio.run(dispatcher.close())
    return found


async def survived(
    quiet: Answers, store: ImageStore, events: Callable[[Killer], Coroutine[Any, Any, None]]
) -> None:
    """Ask all of it while actors die and other things happen; everything must be as it was in the quiet."""
    dispatcher = RayDispatcher(store, CREW, pools=POOLS)
    pools = [await asyncio.to_thread(dispatcher.pool, name) for name in CREW]
    killer = Killer([replica for pool in pools for replica in pool.router.replicas])
    try:
        async with killer.at_large(), asyncio.TaskGroup() as group:
            group.create_task(events(killer))
            found = await answers(dispatcher, store, killer.watch)
        assert found == quiet
        assert '"failed"' not in " ".join(found.values())
        assert len(killer.killed) >= QUESTIONS // OFTEN // 2
        assert killer.hit > 0
        async with asyncio.timeout(120):  # the last ones to die may only be starting
            while (restarts := sum(pool.restarts() for pool in pools)) < len(killer.killed):
                await asyncio.sleep(0.1)
        sys.stdout.write(
            f"{len(killer.killed)} killed at {killer.hit} requests, {restarts} restarts"
        )
        assert dispatcher.usage.images == 0
    finally:
        await dispatcher.close()


def test_the_quiet_answers_tell_questions_apart(quiet: Answers) -> None:
    assert len(set(quiet.values())) == len(quiet) == QUESTIONS


async def test_nothing_is_lost_or_wrong_while_actors_die(
    cluster: Any, quiet: Answers, store: ImageStore
) -> None:
    await survived(quiet, store, lambda killer: killer.until(QUESTIONS))


async def test_nor_while_a_node_leaves_and_another_joins(
    cluster: Any, quiet: Answers, store: ImageStore
) -> None:
    leaving = cluster.add_node(**NODE)

    async def nodes_come_and_go(killer: Killer) -> None:
        await killer.until(QUESTIONS // 3)
        await asyncio.to_thread(cluster.remove_node, leaving, False)
        await killer.until(2 * QUESTIONS // 3)
        cluster.add_node(**NODE)  # only works in the main thread

    await survived(quiet, store, nodes_come_and_go)
