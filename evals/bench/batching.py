"""Sixteen questions at once for one specialist on a simulated GPU: in batches, and one after the other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from foveal.agent.actions import Detect
from foveal.agent.pools import Pool
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.row import Finding, more_often
from foveal.evals.bench.standins import Simulated
from foveal.evals.bench.timing import Measure, in_turn
from foveal.tools.extras import needs
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

FIXED, EACH = 0.020, 0.004
"""Seconds per batch and per picture in it."""
CLIENTS, REQUESTS = 16, 20
"""Clients that ask at the same time, and what each of them asks, one after the other."""
MAX_BATCH, MAX_WAIT = 8, 0.005
"""Pictures, and seconds: the same for everybody who batches."""
PATIENT = 0.010
"""Seconds; a wait that suits Serve better, measured beside for who would choose it."""
ROUNDS = 3
SIZE = (64, 64)
"""Of the pictures: small, because only the batching is measured."""
OURS, SINGLY = "foveal", "one at a time"
SERVED, SERVED_LATER = "ray serve, @serve.batch", "the same, waiting 10 ms"

Ask = Callable[[str], Awaitable[object]]
"""One request; the string is different every time."""


def batching(rounds: int | None) -> Mapping[str, Finding]:
    """Requests per second, all of them in turn on one Ray."""
    with needs("bench"):
        from ray import serve  # noqa: F401
    with ExitStack() as stack:
        contenders = {
            OURS: stack.enter_context(dispatched()),
            SINGLY: stack.enter_context(_singly()),
            SERVED: stack.enter_context(_served(MAX_WAIT)),
            SERVED_LATER: stack.enter_context(_served(PATIENT)),
        }
        samples = in_turn(contenders, rounds or ROUNDS)
    return {
        "batch-singly": more_often(samples, OURS, SINGLY, "requests/s"),
        "batch-serve": more_often(samples, OURS, SERVED, "requests/s"),
    }


@contextmanager
def dispatched(replicas: int = 1, clients: int = CLIENTS) -> Iterator[Measure]:
    """Ours, through the dispatcher's own door, with that many actors."""
    store = ImageStore()
    image = store.put(photograph(*SIZE))
    pool = Pool(replicas=replicas, max_batch=MAX_BATCH, max_wait_ms=1000 * MAX_WAIT)
    crew = {"detector": simulated}
    dispatcher = RayDispatcher(store, crew, pools={"detector": pool})
    with asyncio.Runner() as runner:
        try:
            ask: Ask = lambda text: dispatcher.dispatch(Detect(phrase=text), image)  # noqa: E731
            runner.run(_rate(ask, clients))  # starts Ray, which the others then find
            yield lambda: runner.run(_rate(ask, clients))
        finally:
            runner.run(dispatcher.close())


def simulated() -> Simulated:
    """The specialist."""
    return Simulated(FIXED, EACH)


@contextmanager
def _singly() -> Iterator[Measure]:
    """An actor that takes one request at a time, as a tool server with a lock does."""
    import ray

    actor: Any = ray.remote(_Singly).options(num_cpus=0.25).remote()
    with asyncio.Runner() as runner:
        yield lambda: runner.run(_rate(actor.answer.remote, CLIENTS))
    ray.kill(actor)


class _Singly:
    def answer(self, text: str) -> str:
        time.sleep(FIXED + EACH)
        return text


@contextmanager
def _served(wait: float) -> Iterator[Measure]:
    """A Ray Serve deployment of one replica, asked through its handle: no HTTP on the way."""
    from ray import serve

    deployment: Any = serve.deployment(
        _Served,
        num_replicas=1,
        max_ongoing_requests=4 * CLIENTS,
        ray_actor_options={"num_cpus": 0.25},
        logging_config={"log_level": "ERROR"},
    )
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})
    try:
        handle = serve.run(deployment.bind(wait), name=f"foveal-bench-{wait}", route_prefix=None)
        with asyncio.Runner() as runner:
            yield lambda: runner.run(_rate(handle.remote, CLIENTS))
    finally:
        serve.shutdown()


class _Served:
    def __init__(self, wait: float) -> None:
        from ray import serve

        batch = serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=wait)
        self._together = batch(_together)

    async def __call__(self, text: str) -> str:
        answer: str = await self._together(text)
        return answer


async def _together(texts: list[str]) -> list[str]:
    await asyncio.to_thread(time.sleep, FIXED + EACH * len(texts))
    return texts


async def _rate(ask: Ask, clients: int) -> float:
    """Requests answered per second."""
    numbers = count()

    async def client() -> None:
        for _ in range(REQUESTS):
            await ask(f"request {next(numbers)} of {time.monotonic_ns()}")

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return clients * REQUESTS / (time.perf_counter() - began)
