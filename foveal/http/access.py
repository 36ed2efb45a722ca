"""One line per request, and its count: who asked for what, how it ended, how long it took. No contents."""

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foveal.http.metrics import Metrics
from foveal.terminal import one_line

LEFT = 499
"""The status noted when the client left before there was any."""
NOTE = "foveal"
"""Where in a request's scope its `Note` is."""
LONG = 80
"""Characters of a path, which is whatever somebody typed."""


@dataclass
class Note:
    """What the line says besides, filled in on the way."""

    words: dict[str, Any] = field(default_factory=dict)


def noted(scope: Scope, **words: Any) -> None:
    """Have the request's line say this as well."""
    scope[NOTE].words.update(words)


class Access:
    """Tells and counts every request."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, say: Callable[[str], None], routes: frozenset[str]
    ) -> None:
        """`routes` are the paths that are counted by name."""
        self._app, self._metrics, self._say, self._routes = app, metrics, say, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note, began, status = Note(), time.monotonic(), LEFT
        scope[NOTE] = note

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = time.monotonic() - began
            self._metrics.replied(self._counted(scope["path"]), status, seconds)
            self._say(_line(scope, status, seconds, note))

    def _counted(self, path: str) -> str:
        return path if path in self._routes else "other"


def _line(scope: MutableMapping[str, Any], status: int, seconds: float, note: Note) -> str:
    client = scope.get("client") or ("-",)
    words = " ".join(f"{name}={value}" for name, value in note.words.items())
    path = scope["path"][:LONG]  # without the query, which may hold anything
    return one_line(f'{client[0]} "{scope["method"]} {path}" {status} {seconds:.3f}s {words}')
