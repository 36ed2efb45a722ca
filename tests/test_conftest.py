"""The guards of conftest hold: no test leaves this machine by accident, and the verdict is what the tests say."""

import os
import socket
import subprocess
import sys
from pathlib import Path

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


CRASHES_AT_EXIT = """
import atexit, ctypes, pathlib
libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.abort, None, None)
atexit.register(pathlib.Path("handled").touch)

def test_it(): assert {holds}
"""


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_a_library_that_crashes_at_exit_changes_no_verdict(
    tmp_path: Path, holds: bool, status: int
) -> None:
    (tmp_path / "test_exit.py").write_text(CRASHES_AT_EXIT.format(holds=holds), encoding="utf-8")
    (tmp_path / "conftest.py").symlink_to(Path(__file__).parent / "conftest.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), "test_exit.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert ("1 passed" if holds else "1 failed") in done.stdout
    assert (tmp_path / "handled").exists()
