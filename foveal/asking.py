"""`agent run`: one question about one image, told as the reader wants it."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.pools import Pool, parsed
from foveal.graphs.agent import Agent, loaded
from foveal.graphs.budgets import Budgets
from foveal.graphs.result import Result
from foveal.graphs.run import checked_question
from foveal.graphs.trace import Event, Started
from foveal.show import Narrator
from foveal.terminal import one_line, own_stdout, printable
from foveal.tools.images import Source


@dataclass(frozen=True)
class Order:
    """What `agent run` was told."""

    image: str
    question: str
    profile: str | None = None
    ray: str | None = None
    """An address, or "local" to start Ray here."""
    tools: str | None = None
    max_hops: int | None = None
    trace: str | None = None
    json: bool = False
    hops: bool = False
    model: str | None = None
    """A model folder or a repository, instead of a profile."""
    trigger: str | None = None
    """The phrase that asks a released checkpoint to look again."""
    pools: tuple[str, ...] = ()
    """As typed: detector.replicas=2."""
    base_url: str | None = None
    """An OpenAI-compatible server, whose model is then meant."""


def run(order: Order) -> int:
    """Answer on stdout. Returns the exit code: 0, or 1 when the model gave no answer."""
    started = time.monotonic()
    with own_stdout() as out, _agent(order) as agent:
        question = checked_question(order.question)
        pixels = loaded(order.image, agent.settings)
        agent.fetch()  # here: what it says is not to mix with the hops
        if order.json:
            log = _Log(started)
            result = _asked(agent, pixels, question, log.hear)
            out.write(json.dumps(log.report(result), ensure_ascii=False) + "\n")
        elif order.hops or out.isatty():
            with Narrator(out) as narrator:
                result = _asked(agent, pixels, question, narrator.tell)
        else:
            result = _asked(agent, pixels, question, lambda event: None)
            _plain(result, out)
        out.flush()
    return 0 if result.answer else 1


def _agent(order: Order) -> Agent:
    return Agent(
        choose(order.profile, order.model, order.trigger, order.base_url),
        ray=True if order.ray == "local" else order.ray,
        pools=_pools(order),
        tools=order.tools,
        budgets=Budgets() if order.max_hops is None else Budgets(hops=order.max_hops),
        trace_dir=order.trace,
    )


def _pools(order: Order) -> dict[str, Pool]:
    if order.pools and not order.ray:
        raise InputError("--pool is for specialists on Ray: add --ray")
    return parsed(order.pools)


def _asked(agent: Agent, image: Source, question: str, hear: Callable[[Event], None]) -> Result:
    async def listen() -> Result:
        async for event in agent.stream(image, question):
            hear(event)
            if event.kind == "finished":
                result = event.result
        return result

    return asyncio.run(listen())


def _plain(result: Result, out: TextIO) -> None:
    """The answer for a pipe, and on stderr what limits it."""
    if result.answer:
        out.write(printable(result.answer) + "\n")
    for note in result.notes:
        sys.stderr.write(f"agent: note: {one_line(note)}\n")


@dataclass
class _Log:
    """What the JSON report says beside the result."""

    began: float
    settings: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=lambda: {"model": 0.0, "specialists": 0.0})

    def hear(self, event: Event) -> None:
        """Note what the report needs of one event."""
        if event.kind == "started":
            self.timings["start"] = time.monotonic() - self.began
            self.settings = _settings(event)
        elif event.kind == "thought":
            self.timings["model"] += event.seconds
        elif event.kind == "returned":
            self.timings["specialists"] += event.hop.seconds

    def report(self, result: Result) -> dict[str, Any]:
        """The result with settings and timings, all in JSON types."""
        self.timings["total"] = time.monotonic() - self.began
        timings = {name: round(seconds, 4) for name, seconds in sorted(self.timings.items())}
        return result.model_dump(mode="json") | self.settings | {"timings": timings}


def _settings(started: Started) -> dict[str, Any]:
    return {
        "question": started.asked.question,
        "size": started.asked.size,
        "tools": started.asked.tools,
        "profile": started.profile,
        "budgets": started.budgets.model_dump(mode="json"),
        "version": started.version,
    }
