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
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets
from foveal.graphs.result import Result
from foveal.graphs.run import checked_question
from foveal.graphs.schema import Schema, schema_file
from foveal.graphs.trace import Event, Started
from foveal.show import Narrator
from foveal.terminal import one_line, own_stdout, printable
from foveal.tools.images import Images
from foveal.words import relied


@dataclass(frozen=True)
class Order:
    """What `agent run` was told."""

    image: str | tuple[str, ...]
    """Paths, URLs or "-"."""
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
    gate: float | None = None
    """How sure the model must be to answer without looking."""
    schema: str | None = None
    """A file with a JSON schema that the answer is to fit."""
    verify: bool = False
    """Ask again with what was seen withheld."""
    specialists: tuple[str, ...] = ()
    """Of other packages, as typed: detector=mine."""


@dataclass(frozen=True)
class _Query:
    """What one question asks for."""

    question: str
    schema: Schema | None
    verify: bool


def run(order: Order) -> int:
    """Answer on stdout. Returns the exit code: 0, or 1 without an answer, or one that does not fit the schema."""
    started = time.monotonic()
    schema = None if order.schema is None else schema_file(order.schema)
    with own_stdout() as out, _agent(order) as agent:
        query = _Query(checked_question(order.question), schema, order.verify)
        pixels = agent.pictures(order.image)
        agent.fetch()  # here: what it says is not to mix with the hops
        if order.json:
            log = _Log(started)
            result = _asked(agent, pixels, query, log.hear)
            out.write(json.dumps(log.report(result), ensure_ascii=False) + "\n")
        elif order.hops or out.isatty():
            with Narrator(out) as narrator:
                result = _asked(agent, pixels, query, narrator.tell)
        else:
            result = _asked(agent, pixels, query, lambda event: None)
            _plain(result, query, out)
        out.flush()
    return int(not result.answer or (schema is not None and result.value is None))


def _agent(order: Order) -> Agent:
    return Agent(
        choose(order.profile, order.model, order.trigger, order.base_url, order.specialists),
        ray=True if order.ray == "local" else order.ray,
        pools=_pools(order),
        tools=order.tools,
        budgets=Budgets() if order.max_hops is None else Budgets(hops=order.max_hops),
        gate=order.gate,
        trace_dir=order.trace,
    )


def _pools(order: Order) -> dict[str, Pool]:
    if order.pools and not order.ray:
        raise InputError("--pool is for specialists on Ray: add --ray")
    return parsed(order.pools)


def _asked(agent: Agent, image: Images, query: _Query, hear: Callable[[Event], None]) -> Result:
    async def listen() -> Result:
        events = agent.stream(image, query.question, schema=query.schema, verify=query.verify)
        async for event in events:
            hear(event)
            if event.kind == "finished":
                result = event.result
        return result

    return asyncio.run(listen())


def _plain(result: Result, query: _Query, out: TextIO) -> None:
    """The answer for a pipe, and on stderr what limits it. Where JSON is awaited nothing else is written."""
    notes = [*result.notes, *relied(result)]
    if result.value is not None:
        out.write(json.dumps(result.value, ensure_ascii=False) + "\n")
    elif result.answer and query.schema is None:
        out.write(printable(result.answer) + "\n")
    elif result.answer:
        notes.append(f"the answer was: {result.answer}")
    for note in notes:
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
        elif event.kind == "direct":
            self.timings["model"] += sum(thought.seconds for thought in event.thoughts)
        elif event.kind == "returned":
            self.timings["specialists"] += event.hop.seconds

    def report(self, result: Result) -> dict[str, Any]:
        """The result with settings and timings, all in JSON types."""
        self.timings["total"] = time.monotonic() - self.began
        timings = {name: round(seconds, 4) for name, seconds in sorted(self.timings.items())}
        return result.model_dump(mode="json") | self.settings | {"timings": timings}


def _settings(started: Started) -> dict[str, Any]:
    asked = started.asked
    return {
        "question": asked.question,
        "size": asked.size,
        **({"sizes": [one.size for one in asked.images]} if asked.more else {}),
        "tools": asked.tools,
        "profile": started.profile,
        "budgets": started.budgets.model_dump(mode="json"),
        "gate": started.gate,
        "version": started.version,
    }
