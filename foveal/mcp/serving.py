"""`agent mcp`: one agent for all clients, behind standard input and output or behind streamable HTTP."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mcp.server.mcpserver import MCPServer

from foveal.agent.choosing import choose
from foveal.agent.errors import FovealError, InputError
from foveal.agent.pools import Pool, parsed
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets
from foveal.mcp.desk import Desk
from foveal.mcp.signals import heeding
from foveal.mcp.sources import Fence
from foveal.mcp.stdin import ending_stdin
from foveal.mcp.streaming import Door, stream
from foveal.mcp.tools import INSTRUCTIONS, Tools
from foveal.terminal import one_line


@dataclass(frozen=True)
class Order:
    """What `agent mcp` was told."""

    profile: str | None = None
    model: str | None = None
    base_url: str | None = None
    trigger: str | None = None
    ray: str | None = None
    """An address, or "local" to start Ray here."""
    pools: tuple[str, ...] = ()
    specialists: tuple[str, ...] = ()
    """Of other packages, as typed: detector=mine."""
    tools: str | None = None
    max_hops: int | None = None
    gate: float | None = None
    trace: str | None = None
    roots: tuple[str, ...] = ()
    """Folders whose images may be read."""
    door: Door | None = None
    """Where to listen; None for standard input and output."""


def serve(order: Order) -> int:
    """Serve until the client leaves or somebody interrupts. Returns the exit code."""
    fence = fenced(order)
    where, pools = _specialists(order)
    if order.door is not None:
        order.door.check()
    with _agent(order, where, pools) as agent:
        desk = Desk(agent)
        server = MCPServer(
            "foveal",
            title="foveal",
            version=version("foveal"),
            instructions=INSTRUCTIONS,
            log_level="WARNING",
        )
        Tools(desk, fence).offered_by(server)
        return asyncio.run(_served(server, desk, order.door))


def fenced(order: Order) -> Fence:
    """The folders that may be read: those named, or the current one. Raises InputError for what is no folder."""
    folders = [Path(root).expanduser() for root in order.roots or (".",)]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--root {str(folder)!r} is no folder; name one that holds images")
    fixed = bool(order.roots) or order.door is not None
    return Fence(tuple(folder.resolve() for folder in folders), fixed)


def _specialists(order: Order) -> tuple[str | bool | None, dict[str, Pool]]:
    """Where the specialists are, and how many of each."""
    if order.pools and not order.ray:
        raise InputError("--pool is for specialists on Ray: add --ray")
    return True if order.ray == "local" else order.ray, parsed(order.pools)


def _agent(order: Order, where: str | bool | None, pools: dict[str, Pool]) -> Agent:
    return Agent(
        choose(order.profile, order.model, order.trigger, order.base_url, order.specialists),
        ray=where,
        pools=pools,
        tools=order.tools,
        budgets=Budgets() if order.max_hops is None else Budgets(hops=order.max_hops),
        gate=order.gate,
        trace_dir=order.trace,
    )


async def _served(server: MCPServer, desk: Desk, door: Door | None) -> int:
    async with _warming(desk.agent):
        return await (_on_stdio(server) if door is None else stream(server, door))


async def _on_stdio(server: MCPServer) -> int:
    """Serve until the client closes its end, or until a signal does it instead."""
    received: list[int] = []
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write("agent: waiting for an MCP client on stdin; see agent mcp --help\n")
    with ending_stdin() as end:

        def leave(number: int) -> None:
            received.append(number)
            end()

        with heeding(leave):
            await server.run_stdio_async()
    return 128 + received[0] if received else 0


@asynccontextmanager
async def _warming(agent: Agent) -> AsyncIterator[None]:
    """Load the model meanwhile: clients wait for an answer, but not for a server that is slow to start."""
    loading = asyncio.create_task(_load(agent))
    try:
        yield
    finally:
        loading.cancel()


async def _load(agent: Agent) -> None:
    try:
        await agent.aload()
    except FovealError as error:  # every call says so too, where the user looks
        sys.stderr.write(f"agent: {one_line(error)}\n")
