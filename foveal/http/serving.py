"""`agent serve`: what was ordered, checked before anybody is let in."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.loudness import quiet
from foveal.agent.profiles import Profile
from foveal.agent.settings import settings
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets
from foveal.graphs.choices import checked_gate, chosen
from foveal.http.app import Door
from foveal.http.auth import checked_binding
from foveal.http.backend import Backend, Here
from foveal.http.limits import Limits
from foveal.http.question import Menu
from foveal.http.server import bound, serve


@dataclass(frozen=True)
class Order:
    """What `agent serve` was told."""

    host: str = "127.0.0.1"
    port: int = 8000
    profile: str | None = None
    model: str | None = None
    base_url: str | None = None
    trigger: str | None = None
    ray: str | None = None
    """An address, or "local" to start Ray here."""
    replicas: str | None = None
    """As typed: 2, or 1-4."""
    replica_cpus: float = 0.25
    replica_gpus: float | None = None
    """None for one where the profile runs on GPUs."""
    pools: tuple[str, ...] = ()
    specialists: tuple[str, ...] = ()
    tools: str | None = None
    max_hops: int | None = None
    gate: float | None = None
    in_flight: int = 8
    """Questions that one agent answers at once."""
    queue: int = 32
    seconds: float = 300.0
    max_body: float = 32.0
    """MiB."""
    drain: int = 30
    no_auth: bool = False
    trace: str | None = None

    @property
    def scale(self) -> tuple[int, int]:
        """The fewest and the most replicas. Raises InputError for what is neither N nor MIN-MAX."""
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", self.replicas or "1")
        few, many = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= few <= many:
            raise InputError(f"--replicas {self.replicas!r}: expected a number from 1, or 1-4")
        return few, many


def run(order: Order) -> int:
    """Serve until a signal. Returns the exit code."""
    secret = settings().token
    token = secret.get_secret_value() if secret is not None else None
    checked_binding(order.host, token, order.no_auth)
    _check_ray(order)
    limits = _limits(order)
    profile = choose(order.profile, order.model, order.trigger, order.base_url, order.specialists)
    menu = _menu(order, profile)
    with bound(order.host, order.port) as listener:
        mention(f"serving {menu.model!r} at {_address(listener)}/v1")
        return asyncio.run(_served(order, profile, menu, limits, listener, token))


def tell(line: str) -> None:
    """Say one line, with the time, to whoever looks after the server."""
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} agent: {line}\n")
    sys.stderr.flush()


def mention(line: str) -> None:
    """Say one line, unless nothing but trouble is to be told."""
    if not quiet():
        tell(line)


async def _served(
    order: Order,
    profile: Profile,
    menu: Menu,
    limits: Limits,
    listener: socket.socket,
    token: str | None,
) -> int:
    async with _backend(order, profile, menu, _address(listener)) as backend:
        local = token is None and not order.no_auth
        door = Door(backend, menu, limits, token, local, tell, mention)
        return await serve(door, listener, order.drain, backend.load)


@asynccontextmanager
async def _backend(
    order: Order, profile: Profile, menu: Menu, address: str
) -> AsyncGenerator[Backend, None]:
    """Whoever answers; it is ended with the block."""
    if order.ray:
        from foveal.http.cluster import replicas

        async with replicas(order, profile, menu, address, tell) as many:
            yield many
        return
    agent = Agent(
        profile, tools=menu.tools, budgets=menu.budgets, gate=menu.gate, trace_dir=order.trace
    )
    try:
        yield Here(agent)
    finally:
        await asyncio.to_thread(agent.close)


def _limits(order: Order) -> Limits:
    _, many = order.scale
    return Limits(
        in_flight=order.in_flight * many,
        queue=order.queue,
        body=int(order.max_body * 2**20),
        seconds=order.seconds,
    )


def _menu(order: Order, profile: Profile) -> Menu:
    budgets = Budgets(seconds=order.seconds)
    if order.max_hops is not None:
        budgets = budgets.model_copy(update={"hops": order.max_hops})
    return Menu(profile.name, chosen(order.tools, profile), budgets, checked_gate(order.gate))


def _check_ray(order: Order) -> None:
    for option, given in (("--pool", order.pools), ("--replicas", order.replicas)):
        if given and not order.ray:
            raise InputError(f"{option} is for agents on Ray; give --ray as well")


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
