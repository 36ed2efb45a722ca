"""`agent run`: one question about one image, told as the reader wants it."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.pools import Pool, parsed
from foveal.agent.settings import settings
from foveal.approving import somebody_there
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets
from foveal.graphs.result import Result
from foveal.graphs.run import checked_question
from foveal.graphs.schema import Schema, schema_file
from foveal.graphs.trace import Event
from foveal.reporting import Show, told
from foveal.terminal import own_stdout
from foveal.tools.images import Images, Taken, several
from foveal.words import asked, came_back

STDIN = "-"
"""Instead of a question: questions from stdin, a line each."""
_log = logging.getLogger(__name__)


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
    checkpoint: str | None = None
    """Where the run is kept: sqlite:PATH or postgres:URL."""
    approve: str | None = None
    """Actions that wait for a person, by comma."""


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
        questions = _questions(order)
        shown = several(order.image)
        taken = [Taken(*pair) for pair in zip(agent.pictures(order.image), shown, strict=True)]
        agent.fetch()  # here: what it says is not to mix with the hops
        show = Show(order.json, order.hops, schema, started, order.checkpoint, taken)
        worst = 0
        for question in questions:
            ask = partial(_asked, agent, taken, _Query(question, schema, order.verify))
            named = replace(show, several=question if order.question == STDIN else "")
            worst = max(worst, told(agent, ask, named, out))
            show = replace(show, began=time.monotonic())
    return worst


def _questions(order: Order) -> Iterator[str]:
    """The question, or those on stdin, a line each, as they come. Raises InputError where there is none."""
    if order.question != STDIN:
        return iter([checked_question(order.question)])
    if STDIN in several(order.image):
        raise InputError("stdin can hold the image or the questions, not both: name a file for one")
    lines = (checked_question(line) for line in sys.stdin if line.strip())
    first = next(lines, None)
    if first is None:
        raise InputError("there is no question on stdin; write one a line")
    return chain([first], lines)


def _agent(order: Order) -> Agent:
    return Agent(
        choose(order.profile, order.model, order.trigger, order.base_url, order.specialists),
        ray=True if order.ray == "local" else order.ray,
        pools=_pools(order),
        tools=order.tools,
        budgets=Budgets() if order.max_hops is None else Budgets(hops=order.max_hops),
        gate=order.gate,
        trace_dir=order.trace,
        checkpoint=checkpoint(order),
        approve=order.approve,
    )


def checkpoint(order: Order) -> str | None:
    """Where the run is kept: as typed, or as the settings say. Raises InputError where nobody is to be asked."""
    usual = settings().checkpoint
    where = order.checkpoint or (usual.get_secret_value() if usual else None)
    if order.approve and not where and not somebody_there():
        raise InputError(
            "--approve needs a person at the terminal, or --checkpoint sqlite:PATH to keep the run for one"
        )
    return where


def _pools(order: Order) -> dict[str, Pool]:
    if order.pools and not order.ray:
        raise InputError("--pool is for specialists on Ray: add --ray")
    return parsed(order.pools)


def _asked(agent: Agent, image: Images, query: _Query, hear: Callable[[Event], None]) -> Result:
    async def listen() -> Result:
        events = agent.stream(image, query.question, schema=query.schema, verify=query.verify)
        async for event in events:
            _note(event)
            hear(event)
            if event.kind == "finished":
                result = event.result
        return result

    return asyncio.run(listen())


def _note(event: Event) -> None:
    """For whoever wants to be told more than the answer."""
    if event.kind == "called":
        _log.info("%s, by the %s", asked(event.action, {}), event.specialist)
    elif event.kind == "returned":
        _log.info("%s (%.2f s)", "; ".join(came_back(event.hop.observation)), event.hop.seconds)
    elif event.kind == "finished":
        _log.info("%s after %.2f s", event.result.ended_by, event.result.seconds)
    else:
        _log.debug("%s", event.kind)
