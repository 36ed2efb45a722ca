"""Starts or joins Ray quietly, and stops only what was started here.

Ray's processes die with the thread that started them, not with the process (PR_SET_PDEATHSIG), so a thread
of its own starts Ray and stays until `leave`.
"""

import logging
import os
import socket
import threading
from typing import Any

from foveal.agent.errors import SetupError
from foveal.tools.dispatch import described
from foveal.tools.extras import needs

LOCAL_STORE = 2**30
"""Bytes of object store for a Ray started here."""
PATIENCE = 5.0
"""Seconds for a cluster's head to accept a connection."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
PROMPT = {"RAY_timeout_ms_task_wait_for_death_info": "0"}
"""What a dead actor was asked fails at once, not one to two seconds later: whoever asked tries another."""


class RayHome(threading.Thread):
    """A Ray that this process started or joined."""

    def __init__(self, address: str | None) -> None:
        super().__init__(name="foveal-ray", daemon=True)
        self._address = address
        self._failure: Exception | None = None
        self._ready, self._over = threading.Event(), threading.Event()

    def enter(self) -> None:
        """Start or join; raises what Ray raises."""
        self.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def leave(self) -> None:
        """Stop, or disconnect from a cluster that was joined."""
        import ray

        ray.shutdown()
        self._over.set()
        self.join()

    def run(self) -> None:
        """In the thread."""
        try:
            _initialise(self._address)
        except Exception as error:  # handed to `enter`, which raises it
            self._failure = error
            return
        finally:
            self._ready.set()
        self._over.wait()


def entered(address: str | None, cure: str = "check the address, or run without --ray") -> RayHome:
    """A Ray started or joined. Raises SetupError when there is none at the address."""
    with needs("ray"):
        import ray.exceptions
    home = RayHome(address)
    try:
        home.enter()
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        if address is None:
            problem, cure = f"Ray does not start ({described(error)})", "run without --ray"
        else:
            problem = f"no Ray cluster at {address!r} ({described(error)})"
        raise SetupError(problem, cure) from error
    return home


def _initialise(address: str | None) -> None:
    for name, value in (QUIET | PROMPT).items():
        os.environ.setdefault(name, value)
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        where = _located(address)
        _knock(where)
        ray.init(address=where, **quiet)
        return
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=LOCAL_STORE,
        _node_ip_address="127.0.0.1",
        **quiet,
    )


def _located(address: str) -> str:
    """What `auto` stands for: a cluster that was killed leaves its address behind, and Ray would wait for it."""
    if address != "auto":
        return address
    from ray._private import services

    found: str = services.canonicalize_bootstrap_address_or_die(address)
    return found


def _knock(address: str) -> None:
    """Raise OSError at once where nothing listens: Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
