"""How long a picture takes to reach a specialist in another process, and the reply to come back."""

import asyncio
import base64
import io
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import httpx
import numpy as np

from foveal.agent.actions import Detect
from foveal.agent.pools import Pool
from foveal.evals.bench.http_server import tool_server
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.row import Finding, less_time
from foveal.evals.bench.standins import Glance
from foveal.evals.bench.timing import Measure, Sample, in_turn, timed, typical
from foveal.tools.base import Dispatcher
from foveal.tools.extras import needs
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

FOUR_K = (3840, 2160)
ROUNDS = 5
CALLS = 7
"""In a row, of which each round takes the middle one."""
OURS, FIRST = "foveal", "foveal, a new picture"
OVER_HTTP, AS_PIL = "jpeg over http", "pil put per call"


def transport(rounds: int | None) -> Mapping[str, Finding]:
    """A 4K picture that is asked about again and again, as the hops of a question do."""
    samples = journeys(FOUR_K, rounds or ROUNDS)
    return {
        "image-http": less_time(samples, OURS, OVER_HTTP),
        "image-pil": less_time(samples, OURS, AS_PIL),
    }


def journeys(size: tuple[int, int], rounds: int) -> Mapping[str, Sample]:
    """Seconds there and back for a picture of (width, height), each way."""
    with needs("ray"):
        import ray  # noqa: F401
    with ExitStack() as stack:
        contenders = {
            **stack.enter_context(_dispatched(size)),
            AS_PIL: stack.enter_context(_as_pil(size)),
            OVER_HTTP: stack.enter_context(_over_http(size)),
        }
        steady = {name: typical(one, CALLS) for name, one in contenders.items()}
        return in_turn(steady, rounds, warm=0)


@contextmanager
def _dispatched(size: tuple[int, int]) -> Iterator[Mapping[str, Measure]]:
    """Ours, through the dispatcher's own door: a known picture, and one that is hashed and put first.

    Nobody else asks, so the pool does not wait for others to join a batch; the other ways have no batches.
    """
    store = ImageStore()
    image = store.put(photograph(*size))
    pools = {"detector": Pool(max_wait_ms=0)}
    dispatcher = RayDispatcher(store, {"detector": Glance}, pools=pools)
    with asyncio.Runner() as runner:
        try:
            runner.run(_asked(dispatcher, image))  # starts Ray, which others then find
            yield {
                OURS: timed(lambda: runner.run(_asked(dispatcher, image))),
                FIRST: lambda: runner.run(_shown(dispatcher, store, size)),
            }
        finally:
            runner.run(dispatcher.close())


async def _asked(dispatcher: Dispatcher, image: str) -> None:
    phrase = f"asked at {time.monotonic_ns()}"  # no two calls alike: none is answered from memory
    await dispatcher.dispatch(Detect(phrase=phrase), image)


async def _shown(dispatcher: Dispatcher, store: ImageStore, size: tuple[int, int]) -> float:
    fresh = photograph(*size).copy()
    fresh[0, 0] = np.frombuffer(time.monotonic_ns().to_bytes(8, "little"), np.uint8)[:3]
    fresh.setflags(write=False)
    began = time.perf_counter()
    await _asked(dispatcher, store.put(fresh))
    return time.perf_counter() - began


@contextmanager
def _as_pil(size: tuple[int, int]) -> Iterator[Measure]:
    """An actor that is handed a PIL image, put anew for every call."""
    import ray
    from PIL import Image

    picture = Image.fromarray(photograph(*size))
    actor: Any = ray.remote(_Actor).options(num_cpus=0.25).remote()
    yield timed(lambda: ray.get(actor.look.remote(ray.put(picture))))
    ray.kill(actor)


class _Actor:
    def look(self, picture: Any) -> float:
        return int(np.asarray(picture)[-1, -1, 0]) / 255


@contextmanager
def _over_http(size: tuple[int, int]) -> Iterator[Measure]:
    """A tool server on this machine's loopback, over a connection that stays open."""
    from PIL import Image

    picture = Image.fromarray(photograph(*size))
    with tool_server() as address, closing(httpx.Client(trust_env=False, timeout=60)) as client:
        yield timed(lambda: client.post(address, json={"image": _jpeg(picture)}).json()["score"])


def _jpeg(picture: Any) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode("ascii")
