"""Fails fast while a specialist's whole pool is failing, and lets one request try it again after a while."""

import threading
import time
from collections.abc import Callable

from foveal.agent.errors import SpecialistError

FAILURES = 5
"""In a row, without one answer in between, until nobody is let through."""
COOLDOWN = 30.0
"""Seconds until one request may try again."""


class Breaker:
    """Closed: all pass. Open: none does. Half open: one does, and its outcome decides."""

    def __init__(
        self,
        name: str,
        failures: int = FAILURES,
        cooldown: float = COOLDOWN,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._allowed, self._cooldown, self._now = name, failures, cooldown, now
        self._failures = 0
        self._until: float | None = None
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether requests are refused."""
        return self._until is not None

    def admit(self) -> bool:
        """Let a request through; True for the one that tries a failed pool again.

        Raises SpecialistError when it is refused.
        """
        with self._lock:
            if self._until is None:
                return False
            left = self._until - self._now()
            if left > 0:
                reason = (
                    f"its pool failed {self._failures} times; it is tried again in {left:.0f} s"
                )
                raise SpecialistError(self._name, reason)
            self._until = self._now() + self._cooldown
            return True

    def succeeded(self) -> None:
        """The pool answered: all pass again."""
        with self._lock:
            self._failures, self._until = 0, None

    def failed(self) -> None:
        """The pool did not answer."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._allowed:
                self._until = self._now() + self._cooldown
