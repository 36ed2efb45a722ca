"""Agents as Ray actors: a model and a graph each, all on the specialists of one cluster.

A question goes to the agent with the fewest in flight, and its image as the encoded bytes that the driver
read, so that nobody else needs the files. An agent that dies is replaced and its questions are asked again,
each of them alone: one that kills an agent that does nothing else is at fault, and the others are not.

What is not covered: the driver's own death (a batch that is started again goes on where its journal ends),
and nodes that have neither foveal nor a runtime environment with it.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.graphs.agent import Agent
from foveal.graphs.clerk import Bug, Clerk
from foveal.graphs.result import Result
from foveal.graphs.seats import Seat, Seats
from foveal.tools.dispatch import described
from foveal.tools.extras import needs
from foveal.tools.images import Images, Source, read_file
from foveal.tools.ray_home import entered

KILLS = 2
"""Agents that a question may kill, alone, before it is given up."""
BUGS = 5
"""Unexpected errors in a row after which an agent is replaced: a broken one is quick, and would be asked most."""
STARTS = 3
"""Times in a row that an agent may die before it is ready."""
SPARE = 4
"""Calls that an agent takes beside its questions."""
FAREWELL = 10.0
"""Seconds that agents have to stop what they started."""


@dataclass(frozen=True)
class Hire:
    """How many agents there are, and what each is given."""

    agents: int = 1
    concurrency: int = 8
    """Questions that one agent has in flight."""
    num_cpus: float = 0.25
    num_gpus: float = 0.0
    deadline: float = 900.0
    """Seconds after which an agent that has not answered a question is taken for dead."""


class RemoteError(Exception):
    """An agent elsewhere met an error that nobody expected; a note has the traceback from there."""


class Died(Exception):
    """An agent died, or does not answer any more."""


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Inside, this process is part of the cluster at an address, or of one that is started here for None."""
    with needs("ray"):
        import ray
    home = None if ray.is_initialized() else entered(address)
    try:
        yield
    finally:
        if home is not None:
            home.leave()


class Crowd:
    """Answers like an Agent, with many of them, on the Ray that this process has joined. Close it."""

    def __init__(
        self, make: Callable[[], Agent], hire: Hire, environment: Mapping[str, str] | None = None
    ) -> None:
        """`make` is called in every agent's own process, with these variables set, and must pickle."""
        self._make, self._hire, self._environment = make, hire, dict(environment or {})
        self._seats = Seats(hire.concurrency)
        self._starting: set[asyncio.Task[None]] = set()
        self.restarts = 0
        """Agents that were replaced."""
        self.object_store_peak = 0
        """Bytes of Ray's object store that the agents held at most, all together; known once it is closed."""

    @property
    def ready(self) -> int:
        """Agents that can be asked now."""
        return len(self._seats)

    def open(self) -> None:
        """Start every agent. Questions may be asked at once, and wait for the first that is ready.

        Raises SetupError when the cluster can never hold one.
        """
        _require(self._hire)
        for _ in range(self._hire.agents):
            self._start()

    async def aask(self, image: Images, question: str) -> Result:
        """Answer a question about an image, or several.

        Raises SpecialistError when the question kills the agents that it is put to, and SetupError when
        no agent can be started.
        """
        data = await asyncio.to_thread(_read, image)
        kills, suspect = 0, False
        while kills < KILLS:
            async with self._seats.one(suspect) as seat:
                try:
                    return _result(await self._reply(seat, data, question))
                except Died:
                    kills, suspect = kills + (not seat.company), True
        raise SpecialistError("agent", f"its process died {KILLS} times over this question alone")

    async def close(self) -> None:
        """Stop every agent. What is in flight is lost."""
        import ray

        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        seats = self._seats.clear()
        goodbyes = [_future(seat.clerk.close.remote()) for seat in seats]
        if goodbyes:
            done, _ = await asyncio.wait(goodbyes, timeout=FAREWELL)
            self.object_store_peak += sum(one.result() for one in done if not one.exception())
        for seat in seats:
            ray.kill(seat.clerk)

    async def _reply(self, seat: Seat, image: Images, question: str) -> Result | FovealError | Bug:
        from ray.exceptions import RayError

        try:
            asked = _future(seat.clerk.aask.remote(image, question))
            await asyncio.wait(
                [asked], timeout=self._hire.deadline
            )  # unlike wait_for: never cancels
            if not asked.done():
                raise TimeoutError
            reply: Result | FovealError | Bug = asked.result()
        except (RayError, TimeoutError) as error:
            self._bury(seat)
            raise Died from error
        seat.bugs = seat.bugs + 1 if isinstance(reply, Bug) else 0
        if seat.bugs >= BUGS:
            self._bury(seat)
        return reply

    def _bury(self, seat: Seat) -> None:
        """Replace an agent."""
        import ray

        if not self._seats.bury(seat):
            return
        ray.kill(seat.clerk)  # it may only be stuck
        self.restarts += 1
        self._start()

    def _start(self) -> None:
        task = asyncio.create_task(self._filled())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _filled(self) -> None:
        """Fill one place; when that cannot be done and nobody else is there or coming, the crowd has failed."""
        outcome: Seat | FovealError = SetupError("no agent was started", "give --agents 1 or more")
        for _ in range(STARTS):
            try:
                outcome = await self._hired()
                break
            except Died as error:
                problem = (
                    f"agents die before they are ready ({described(error.__cause__ or error)})"
                )
                outcome = SetupError(
                    problem, "see the logs of the cluster, and whether memory suffices"
                )
        if isinstance(outcome, Seat):
            await self._seats.add(outcome)
        elif not len(self._seats) and len(self._starting) == 1:
            await self._seats.fail(outcome)

    async def _hired(self) -> Seat | FovealError:
        """A new agent when it is ready, which takes as long as the cluster has no room for it."""
        import ray
        from ray.exceptions import RayError

        actor: Any = ray.remote(Clerk)
        clerk = actor.options(
            num_cpus=self._hire.num_cpus,
            num_gpus=self._hire.num_gpus,
            max_concurrency=self._hire.concurrency + SPARE,
            scheduling_strategy="SPREAD",
        ).remote(self._make, self._environment)
        try:
            failure: FovealError | None = await _future(clerk.ready.remote())
        except RayError as error:
            raise Died from error
        except asyncio.CancelledError:
            ray.kill(clerk)
            raise
        return failure or Seat(clerk)


def _require(hire: Hire) -> None:
    """Ray would wait for ever for a node that is large enough."""
    import ray

    from foveal.tools import ray_cluster

    request = {"CPU": hire.num_cpus, "GPU": hire.num_gpus}
    request = {kind: amount for kind, amount in request.items() if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(ray_cluster.holds(node, request) for node in nodes):
        asked = ", ".join(f"{kind} {amount:g}" for kind, amount in request.items())
        problem = f"no node can hold an agent that needs {asked}; the cluster has {ray_cluster.said(nodes)}"
        raise SetupError(problem, "lower --agent-cpus or --agent-gpus, or add a node")


def _future(reference: Any) -> asyncio.Future[Any]:
    return asyncio.wrap_future(reference.future())


def _read(images: Images) -> Images:
    """The images, with the bytes of those that are files here: agents elsewhere have no such files."""
    if isinstance(images, list | tuple):
        return [_bytes(one) for one in images]
    return _bytes(cast(Source, images))


def _bytes(image: Source) -> Source:
    return read_file(image) if isinstance(image, Path) else image


def _result(reply: Result | FovealError | Bug) -> Result:
    if isinstance(reply, FovealError):
        raise reply
    if isinstance(reply, Bug):
        error = RemoteError(reply.what)
        error.add_note(reply.where)
        raise error
    return reply
