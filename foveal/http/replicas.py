"""Agents behind the door as replicas of a Ray Serve deployment, as many as the load needs.

One process keeps the door: tokens, limits, metrics and draining stay where they are, and Serve's own proxies are
not started. A replica is an agent with its own model, on the specialists that all of them share by name.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foveal.agent.errors import FovealError, SetupError
from foveal.graphs.agent import Agent
from foveal.graphs.trace import Event
from foveal.http.backend import events_of
from foveal.http.question import Question
from foveal.http.refusals import Refusal
from foveal.tools.extras import needs

PATIENCE = 30.0
"""Seconds after which it is said that no replica is ready yet."""
MORE_AFTER, FEWER_AFTER = 5.0, 300.0
"""Seconds of more, or of less load until replicas are started or stopped: it is loading a model that costs."""
BUSY = 0.5
"""The share of its places that a replica has taken, on average, when another is started."""


@dataclass(frozen=True)
class Scale:
    """How many replicas, and what each takes on and reserves."""

    few: int = 1
    many: int = 1
    in_flight: int = 8
    num_cpus: float = 0.25
    num_gpus: float = 0.0
    seconds: float = 330.0
    """A replica that is no longer needed has to finish what it has begun."""


class Replica:
    """One agent in a process of its own."""

    async def __init__(self, make: Callable[[], Agent], environment: Mapping[str, str]) -> None:  # type: ignore[misc]
        """Serve awaits it: a replica counts once its model is loaded."""
        os.environ.update(environment)
        self._failure: FovealError | None = None
        self._agent: Agent | None = None
        try:
            self._agent = make()
            await self._agent.aload()
        except FovealError as error:
            self._failure = error

    async def failure(self) -> FovealError | None:
        """Why it cannot answer, if it cannot."""
        return self._failure

    async def events(self, question: Question) -> AsyncGenerator[Event | FovealError, None]:
        """The events of a run; errors of ours come as values, so that they cross between processes intact."""
        try:
            if self._failure is not None or self._agent is None:
                raise self._failure or SetupError("the agent is not there", "see Ray's logs")
            async for event in events_of(self._agent, question):
                yield event
        except FovealError as error:
            yield error

    def __del__(self) -> None:
        """Serve calls it when it stops a replica."""
        if self._agent is not None:
            self._agent.close()


class Replicas:
    """See Backend. On the Ray that this process has joined."""

    def __init__(
        self,
        make: Callable[[], Agent],
        environment: Mapping[str, str],
        scale: Scale,
        name: str,
        say: Callable[[str], None],
    ) -> None:
        """`make` is called in every replica with these variables set, and must pickle. Servers with the same
        `name` on one cluster replace each other."""
        self._make, self._environment, self._scale = make, dict(environment), scale
        self._name, self._say = name, say
        self._handle: Any = None

    @property
    def ready(self) -> bool:
        """Whether a replica has loaded its model."""
        return self._handle is not None

    async def load(self) -> None:
        """Start the replicas; there may have to be room first. Raises SetupError."""
        waiting = asyncio.create_task(self._waited())
        try:
            handle = await asyncio.to_thread(self._deployed)
            failure: FovealError | None = await handle.failure.remote()
        finally:
            waiting.cancel()
        if failure is not None:
            raise failure
        self._handle = handle

    async def events(self, question: Question) -> AsyncGenerator[Event, None]:
        """See Backend; a question that comes early waits for the first replica."""
        from ray.exceptions import RayError

        while self._handle is None:
            await asyncio.sleep(0.1)
        told = self._handle.options(stream=True).events.remote(question)
        try:
            async for event in told:
                if isinstance(event, FovealError):
                    raise event
                yield event
        except RayError as error:
            self._say(f"a replica failed: {type(error).__name__}")
            raise Refusal(
                503, "the agent that was asked has died; ask again", code="died"
            ) from error
        finally:
            told.cancel()

    def close(self) -> None:
        """Stop the replicas. Serve itself stays: others may be using it."""
        from ray import serve

        serve.delete(self._name)

    def _deployed(self) -> Any:
        with needs("serve-ray"):
            from ray import serve
        scale = self._scale
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        deployment: Any = serve.deployment(
            Replica,
            name="agents",
            max_ongoing_requests=scale.in_flight,
            graceful_shutdown_timeout_s=scale.seconds,
            ray_actor_options={"num_cpus": scale.num_cpus, "num_gpus": scale.num_gpus},
            **_number(scale),
        )
        serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})
        bound = deployment.bind(self._make, self._environment)
        return serve.run(bound, name=self._name, route_prefix=None)

    async def _waited(self) -> None:
        await asyncio.sleep(PATIENCE)
        needs_ = f"{self._scale.num_cpus:g} CPU and {self._scale.num_gpus:g} GPU"
        self._say(f"no replica is ready yet; each waits for {needs_} and then loads its model")


def _number(scale: Scale) -> dict[str, Any]:
    if scale.few == scale.many:
        return {"num_replicas": scale.many}
    return {
        "autoscaling_config": {
            "min_replicas": scale.few,
            "max_replicas": scale.many,
            "target_ongoing_requests": max(1.0, scale.in_flight * BUSY),
            "metrics_interval_s": MORE_AFTER / 4,
            "look_back_period_s": MORE_AFTER,
            "upscale_delay_s": MORE_AFTER,
            "downscale_delay_s": FEWER_AFTER,
        }
    }
