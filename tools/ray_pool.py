"""One specialist's pool as its callers see it: a request goes in, a reply or one of our errors comes out."""

import asyncio
import secrets
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from foveal.agent.errors import FovealError, SpecialistError
from foveal.tools import ray_cluster
from foveal.tools.base import Reply, Request
from foveal.tools.batches import Outcome
from foveal.tools.breaker import Breaker
from foveal.tools.ray_actors import Actors
from foveal.tools.ray_errors import loss, ours
from foveal.tools.ray_images import RayImages
from foveal.tools.ray_keeper import Keeper
from foveal.tools.ray_route import Replica, Router

LISTENING = 5.0
"""Seconds that a replica has to say that it is there, before it gets a request that has lost another."""


class RayPool:
    """Sends requests to replicas, and again when a replica dies: answering changes nothing, so that is safe."""

    def __init__(
        self, actors: Actors, images: RayImages, deadline: float, affine: bool = False
    ) -> None:
        pool = actors.pool
        self._actors, self._images = actors, images
        self._name, self._pool = actors.name, pool
        self.deadline = pool.deadline or deadline
        """Seconds from an action's arrival to its failure."""
        self.router = Router(actors.hire(), pool.max_queue, max(1, pool.max_batch // 2), affine)
        """Who gets the next request."""
        self.breaker = Breaker(actors.name)
        """Whether requests are let through at all."""
        self._keeper = Keeper(self.router, actors, pool.patience)
        self._keeper.watch()

    async def answer(self, request: Request) -> Reply:
        """One reply within the deadline. Raises SpecialistError or SetupError."""
        if self.breaker.admit():
            await asyncio.to_thread(self._revive)
        try:
            outcome = await self._asked(request, time.monotonic() + self.deadline)
        except SpecialistError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        if isinstance(outcome, FovealError):
            raise outcome
        return outcome

    def restarts(self) -> int:
        """Times that the cluster has started one of the replicas again. Blocks."""
        records = [ray_cluster.record(replica.actor) for replica in self.router.replicas]
        return sum(int(record.get("NumRestarts", 0)) for record in records)

    def close(self) -> None:
        """End the actors that were started here."""
        self.router.end()
        self._keeper.stop()
        self._actors.dismiss(self.router.replicas)

    async def _asked(self, request: Request, ends: float) -> Outcome:
        """Up to so many attempts; one that follows a death is made alone, so that it can harm nobody else."""
        error: BaseException | None = None
        for attempt in range(1 + self._pool.retries):
            replica = await self._slot(request, attempt > 0, ends)
            if replica is None:
                error = error or self._death()
                break
            answer = await self._attempt(replica, request, attempt > 0, ends)
            error = answer.exception()
            if error is None:
                return answer.result()
            if not self._lost(request, error):
                break
        if error is None:
            raise SpecialistError(self._name, "none of its processes is left")
        raise ours(self._name, error) from error

    async def _slot(self, request: Request, alone: bool, ends: float) -> Replica | None:
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                replica = await self.router.slot(request.image, alone)
                while alone and replica is not None and not await self._there(replica):
                    replica = await self.router.slot(request.image, alone)
                return replica
        except TimeoutError:
            reason = f"no replica was free within {self.deadline:g} s"
            raise SpecialistError(self._name, reason) from None

    async def _there(self, replica: Replica) -> bool:
        """Whether it answers; if not, it is put away. A node takes many with it: none costs an attempt unasked."""
        probe = self._actors.health(replica)
        try:
            await _done(probe, LISTENING)
        except BaseException:
            self.router.leave(replica)
            raise
        if probe.done() and probe.exception() is None:
            return True
        self.router.turn(replica, "away" if probe.done() else "late")
        self.router.leave(replica)
        self._keeper.watch()
        return False

    async def _attempt(
        self, replica: Replica, request: Request, alone: bool, ends: float
    ) -> "Future[Outcome]":
        """The finished future of one attempt; the replica counts as busy until it really answers."""
        ticket = secrets.token_hex(8)
        try:
            pixels = self._images.known(request.image)
            if pixels is None:
                pixels = await asyncio.to_thread(self._images.reference, request)
            future: Future[Outcome] = replica.actor.run.remote(
                request.action, request.image, request.marks, pixels, ticket, alone
            ).future()
        except BaseException:
            self.router.leave(replica)
            raise
        future.add_done_callback(lambda done: self._left(replica, done))
        try:
            await _done(future, ends - time.monotonic())
        except asyncio.CancelledError:
            self._actors.drop(replica, ticket)
            raise
        if not future.done():
            self._late(replica, ticket)
        return future

    def _death(self) -> BaseException | None:
        """What a replica died of, when all did."""
        return next((one.death for one in self.router.replicas if one.death is not None), None)

    def _late(self, replica: Replica, ticket: str) -> None:
        self._actors.drop(replica, ticket)
        self.router.turn(replica, "late")
        self._keeper.watch()
        raise SpecialistError(self._name, f"no answer within {self.deadline:g} s")

    def _left(self, replica: Replica, future: "Future[Outcome]") -> None:
        """One request less. Who has died is put away first, or whoever waits would be given its place."""
        error = future.exception()
        died = error is not None and loss(error) in {"gone", "away"}
        if died:
            self.router.turn(replica, "away")
        self.router.leave(replica)
        if died:
            self._keeper.watch()

    def _lost(self, request: Request, error: BaseException) -> bool:
        """Whether the request may be tried again; an image that was lost on its way is then sent again."""
        kind = loss(error)
        if kind == "object":
            self._images.release(request.image)
        return kind is not None

    def _revive(self) -> None:
        """Start dead replicas again: the pool has had its rest."""
        for replica in self.router.replicas:
            if replica.state == "dead" and self._actors.replace(replica):
                self.router.turn(replica, "joining")
        self._keeper.watch()


async def _done(future: "Future[Any]", seconds: float) -> None:
    """Wait so long at most; never cancels."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(over.set)

    future.add_done_callback(tell)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
