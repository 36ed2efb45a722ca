"""The application: routes, and around them who may ask and what is noted."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from foveal.http.access import Access
from foveal.http.auth import Auth
from foveal.http.backend import Backend
from foveal.http.chat import Chat
from foveal.http.limits import Admission, Limits
from foveal.http.metrics import Metrics
from foveal.http.question import Menu, no_model
from foveal.http.refusals import Refusal

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Door:
    """One server's parts."""

    backend: Backend
    menu: Menu
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    local: bool = False
    """Whether whoever asks must name this machine in the URL."""
    say: Callable[[str], None] = lambda line: None
    """Hears of trouble that the server's owner can mend."""
    mention: Callable[[str], None] = lambda line: None
    """Hears one line per request, and what becomes of the server."""
    metrics: Metrics = field(default_factory=Metrics)
    born: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.admission = Admission(self.limits)
        self.metrics.watch("in_flight", "Questions being answered.", lambda: self.admission.running)
        self.metrics.watch("queue", "Questions that wait.", lambda: self.admission.waiting)
        self.metrics.watch("ready", "1 once the model is loaded.", lambda: self.ready)

    @property
    def ready(self) -> bool:
        """Whether a question that comes now would be answered."""
        return self.backend.ready and not self.admission.closed


def application(door: Door) -> ASGIApp:
    """The ASGI application of a door."""
    chat = Chat(door.backend, door.menu, door.limits, door.admission, door.metrics, door.say)
    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", _models(door)),
        Route("/v1/models/{name:path}", _model(door)),
        Route("/healthz", _health(door)),
        Route("/readyz", _readiness(door)),
        Route("/metrics", _metrics(door)),
    ]
    inner = Starlette(
        routes=routes, exception_handlers={HTTPException: _unrouted, Refusal: _refused}
    )
    paths = frozenset(route.path for route in routes if "{" not in route.path)
    return Access(Auth(inner, door.token, door.local), door.metrics, door.mention, paths)


Endpoint = Callable[[Request], Awaitable[Response]]


def _models(door: Door) -> Endpoint:
    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_entry(door)]})

    return models


def _model(door: Door) -> Endpoint:
    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        if name != door.menu.model:
            raise no_model(name, door.menu)
        return JSONResponse(_entry(door))

    return model


def _entry(door: Door) -> dict[str, object]:
    return {"id": door.menu.model, "object": "model", "created": door.born, "owned_by": "foveal"}


def _health(door: Door) -> Endpoint:
    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "ready": door.ready})

    return health


def _readiness(door: Door) -> Endpoint:
    async def readiness(request: Request) -> Response:
        return JSONResponse({"ready": door.ready}, 200 if door.ready else 503)

    return readiness


def _metrics(door: Door) -> Endpoint:
    async def metrics(request: Request) -> Response:
        return Response(door.metrics.text(), media_type=METRICS_TYPE)

    return metrics


async def _unrouted(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    assert isinstance(error, HTTPException)
    found = f"{request.method} {request.url.path[:80]}"
    message = f"{found}: {error.detail}; there are POST /v1/chat/completions and GET /v1/models"
    return Refusal(error.status_code, message, headers=error.headers).response()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()
