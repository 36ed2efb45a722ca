"""The door over streamable HTTP: who may knock, under which names, and how it is closed."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from foveal.agent.errors import InputError
from foveal.http.auth import Auth, checked_binding, is_loopback
from foveal.mcp.signals import heeding

PATH = "/mcp"
BODY = 32 * 2**20
"""Bytes of one request, images in base64 included; larger images come by path or by URL."""
FAREWELL = 3
"""Seconds that open answers have when the server is stopped."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Door:
    """Where to listen, and to whom."""

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    open: bool = False
    """Whether strangers may ask, without any token."""
    names: tuple[str, ...] = ()
    """Under which names, besides its own, clients reach this machine."""

    def check(self) -> None:
        """Raise InputError for a door that would be open to strangers by accident."""
        checked_binding(self.host, self.token, self.open)

    @property
    def security(self) -> TransportSecuritySettings:
        """Requests under other names are refused: a page could have its own name lead to this machine."""
        hosts = [*LOOPBACK, *self.names]
        if not is_loopback(self.host):
            hosts += [_bracketed(self.host), socket.gethostname()]
        return TransportSecuritySettings(
            allowed_hosts=[allowed for host in hosts for allowed in (host, f"{host}:*")],
            allowed_origins=[
                allowed
                for host in hosts
                for scheme in ("http", "https")
                for allowed in (f"{scheme}://{host}", f"{scheme}://{host}:*")
            ],
        )


class _Server(uvicorn.Server):
    """Without uvicorn's own signal handlers, which would end the process before the agent is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `heeding`."""
        yield


async def stream(server: MCPServer, door: Door) -> int:
    """Serve until a signal; returns the exit code. Raises InputError when the port is taken."""
    config = uvicorn.Config(
        _app(server, door), log_config=None, access_log=False, timeout_graceful_shutdown=FAREWELL
    )
    web = _Server(config)

    def leave(number: int) -> None:
        web.should_exit = True

    with _bound(door) as bound, heeding(leave):
        address = f"http://{_bracketed(door.host)}:{bound.getsockname()[1]}{PATH}"
        sys.stderr.write(f"agent: MCP at {address}\n")
        sys.stderr.flush()
        await web.serve(sockets=[bound])
    return 0


def _app(server: MCPServer, door: Door) -> ASGIApp:
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=door.host,
        max_request_body_size=BODY,
        transport_security=door.security,
    )
    return Auth(app, door.token)


def _bound(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        return socket.create_server((door.host.strip("[]"), door.port), family=family)
    except OSError as error:
        where = f"{door.host}:{door.port}"
        raise InputError(
            f"cannot listen on {where} ({error.strerror}); choose another --host or --port"
        ) from None


def _bracketed(host: str) -> str:
    return f"[{host.strip('[]')}]" if ":" in host else host
