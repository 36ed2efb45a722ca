"""Tells a client what a run is doing, while it does it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from mcp.server.mcpserver import Context

from foveal.agent.observations import Detected
from foveal.graphs.trace import Event
from foveal.words import asked, came_back


@asynccontextmanager
async def reported(context: Context) -> AsyncIterator[Callable[[Event], None]]:
    """Hands out a listener for a run's events, to be called in any thread, and reports what it hears.

    A client that asked for no progress gets none.
    """
    here, queue = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

    def hear(event: Event | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            here.call_soon_threadsafe(queue.put_nowait, event)

    reporter = asyncio.create_task(_report(queue, context))
    try:
        yield hear
        hear(None)  # after the events that are on their way, so that none comes after the result
        await reporter
    finally:
        reporter.cancel()


async def _report(queue: asyncio.Queue[Event | None], context: Context) -> None:
    names: dict[int, str] = {}
    told = 0
    while (event := await queue.get()) is not None:
        for line in _lines(event, names):
            told += 1
            await context.report_progress(told, message=line)


def _lines(event: Event, names: dict[int, str]) -> list[str]:
    """What one event is worth telling; `names` are the objects found so far, which it adds to."""
    if event.kind == "called":
        return [f"{event.specialist}: {asked(event.action, names)}"]
    if event.kind != "returned":
        return []
    seen = event.hop.observation
    if isinstance(seen, Detected):
        names.update({one.index: one.label for one in seen.objects if one.index})
    return [came_back(seen)[0]]
