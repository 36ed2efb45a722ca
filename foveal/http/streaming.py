"""A run told as server-sent events, and the ear for a client that leaves."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Send

T = TypeVar("T")

SILENCE = 10.0
"""Seconds without an event after which a comment is sent, so that nobody on the way takes us for dead."""
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back until it has many
]
END = b"data: [DONE]\n\n"


class Gone(Exception):
    """The client has left."""


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled when the client leaves. Raises Gone then.

    The request's body must have been read: what is received next is that nobody listens any more.
    """
    gone, working = asyncio.create_task(_gone(receive)), asyncio.create_task(work)
    try:
        await asyncio.wait({gone, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Gone
    finally:
        for task in (gone, working):
            task.cancel()
        await asyncio.gather(gone, working, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class EventStream:
    """Sends events, one JSON object each."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        """Whether anything was sent: errors are events from then on."""

    async def say(self, told: Any) -> None:
        """Send one event."""
        await self.write(b"data: " + json.dumps(told, ensure_ascii=False).encode() + b"\n\n")

    async def wait(self) -> None:
        """Show that we are still here."""
        if self.begun:
            await self.write(b": still looking\n\n")

    async def end(self) -> None:
        """Say that nothing follows."""
        await self.write(END)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def write(self, data: bytes) -> None:
        """Send bytes, after the headers."""
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


async def patiently(
    events: AsyncGenerator[T, None], seconds: float = SILENCE
) -> AsyncGenerator[T | None, None]:
    """The events, and None whenever there is none for so long."""
    while True:
        coming = asyncio.ensure_future(anext(events))
        try:
            while not (await asyncio.wait({coming}, timeout=seconds))[0]:
                yield None
            event = coming.result()
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
        yield event
