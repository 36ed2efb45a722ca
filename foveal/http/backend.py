"""Who answers the questions that come in: an agent in this process, or replicas elsewhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from foveal.graphs.agent import Agent
from foveal.graphs.choices import loaded
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, Watcher, run
from foveal.graphs.schema import schema_of
from foveal.graphs.trace import Event
from foveal.http.dialogue import resumed
from foveal.http.question import Question


class Backend(Protocol):
    """Answers questions, several at a time."""

    @property
    def ready(self) -> bool:
        """Whether a question would be answered without waiting for a model to load."""

    async def load(self) -> None:
        """Get ready. Raises SetupError when that cannot be."""

    def events(self, question: Question) -> AsyncGenerator[Event, None]:
        """Every event of a run as it happens, the last one `Finished`; leaving early ends the run.

        Raises what a run raises.
        """


class Here:
    """An agent in this process."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._ready

    async def load(self) -> None:
        """Load the model. Raises SetupError."""
        await self._agent.aload()
        self._ready = True

    def events(self, question: Question) -> AsyncGenerator[Event, None]:
        """See Backend."""
        return events_of(self._agent, question)


async def events_of(agent: Agent, question: Question) -> AsyncGenerator[Event, None]:
    """The events of a run with the question's own tools and budgets."""
    here, queue = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

    def hand_over(event: Event | None) -> None:
        with suppress(RuntimeError):  # the listener's loop is closed: nobody listens
            here.call_soon_threadsafe(queue.put_nowait, event)

    answering = asyncio.ensure_future(
        agent.awith(lambda parts: _run(agent, question, parts, hand_over))
    )
    answering.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await queue.get()) is not None:
            yield event
        await answering
    finally:
        answering.cancel()


async def _run(agent: Agent, question: Question, parts: Parts, watch: Watcher) -> Result:
    pixels = [await asyncio.to_thread(loaded, image, agent.settings) for image in question.images]
    own = replace(parts, tools=question.tools, budgets=question.budgets, gate=question.gate)
    schema = None if question.schema is None else schema_of(question.schema)
    text, talk = await resumed(question, pixels, own)
    try:
        return await run(text, pixels, own, watch, schema=schema, verify=question.verify, talk=talk)
    finally:
        if talk is not None:
            talk.close()
