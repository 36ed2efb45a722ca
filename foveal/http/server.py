"""A server from first to last: it loads while it listens, and drains when it is told to stop."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn

from foveal.agent.errors import InputError
from foveal.http.app import Door, application

INTERRUPTED = 130
"""The exit code after a second signal."""


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 means any that is free. Raises InputError when it cannot be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot listen on {host}:{port}: {reason}; give another --host or --port"
        ) from None


class _Server(uvicorn.Server):
    """Without uvicorn's own signal handlers, which would end the process by the signal, after a drain too."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    door: Door, listener: socket.socket, drain: int, load: Callable[[], Awaitable[None]]
) -> int:
    """Answer until SIGTERM or SIGINT, then finish what runs within `drain` seconds.

    Returns the exit code: 0, or 130 when a second signal cut the drain short. Raises what `load` raises.
    """
    config = uvicorn.Config(
        application(door),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=drain,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    loading = asyncio.create_task(_loaded(door, load))
    loading.add_done_callback(lambda done: _stop_if_failed(done, server))
    with _heeding_signals(door, server, serving):
        try:
            await serving
        except asyncio.CancelledError:
            return INTERRUPTED
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
    if not loading.cancelled() and (error := loading.exception()) is not None:
        raise error
    return 0


async def _loaded(door: Door, load: Callable[[], Awaitable[None]]) -> None:
    await load()
    door.mention("ready")


def _stop_if_failed(loading: "asyncio.Task[None]", server: uvicorn.Server) -> None:
    if not loading.cancelled() and loading.exception() is not None:
        server.should_exit = True


@contextmanager
def _heeding_signals(
    door: Door, server: uvicorn.Server, serving: "asyncio.Task[None]"
) -> Iterator[None]:
    """The first signal drains, the second ends everything."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:
            serving.cancel()
            return
        door.mention(f"stopping; {door.admission.running} to finish")
        door.admission.close()
        server.should_exit = True

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
