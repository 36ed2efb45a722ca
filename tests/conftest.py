"""No accidents: no network beyond this machine, nothing phones home, every test gives its environment back."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
}
SECRETS = ("OPENAI_API_KEY", "HF_TOKEN", "LANGSMITH_API_KEY", "ULTRALYTICS_API_KEY", "RAY_ADDRESS")

# Before any import of the libraries: most of them read these once, at import time.
os.environ.update(QUIET)
for name in [*SECRETS, *(key for key in os.environ if key.startswith("FOVEAL_"))]:
    os.environ.pop(name, None)

import pytest  # noqa: E402


class NetworkUse(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(host: object) -> bool:
    """Whether a host names this machine: loopback, an unset host, or one of its own addresses."""
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in {"", "localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback or name in _OWN
    except ValueError:
        return False


def _own_addresses() -> frozenset[str]:
    """The addresses this machine's name stands for; Ray may use one instead of loopback."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in found)


_OWN = _own_addresses()
_connect, _connect_ex, _getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _refuse_remote(sock: socket.socket, address: Any) -> None:
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
        raise NetworkUse(f"a test tried to reach {address!r}; use loopback or the scripted model")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _refuse_remote(self, address)
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _refuse_remote(self, address)
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    """Resolve this machine and literal addresses; any other name needs the network."""
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_local(name):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            raise NetworkUse(f"a test tried to resolve {name!r}; no test needs a name") from None
    return _getaddrinfo(host, *args, **kwargs)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets reach this machine only (Ray and the server tests need loopback)."""
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Whatever a test does to the environment ends with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
