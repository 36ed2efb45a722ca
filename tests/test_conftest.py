"""The guards of conftest hold: a test cannot leave this machine by accident."""

import os
import socket

import pytest


@pytest.mark.parametrize("host", ["example.com", b"example.com", "one.one.one.one"])
def test_names_are_not_resolved(host: str | bytes) -> None:
    with pytest.raises(RuntimeError, match="tried to resolve"):
        socket.getaddrinfo(host, 80)


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))],
)
def test_remote_addresses_are_refused(family: int, address: tuple[str, int]) -> None:
    with socket.socket(family) as sock, pytest.raises(RuntimeError, match="tried to reach"):
        sock.connect(address)


def test_loopback_works() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_nothing_phones_home() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["YOLO_OFFLINE"] == "true"
