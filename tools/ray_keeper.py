"""Brings replicas back: none is given work until it has really answered, and none stays stuck for ever."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from foveal.agent.errors import FovealError
from foveal.tools.gauges import Health
from foveal.tools.ray_route import Replica, Router, State

GLANCE = 0.25
"""Seconds between two looks at a replica that has not answered."""
Fate = Literal["away", "gone"]
"""It may come back by itself; it will not."""


class Hands(Protocol):
    """What can be done to an actor."""

    def ready(self, replica: Replica) -> "Future[FovealError | None]":
        """Answered once its specialist is loaded."""

    def health(self, replica: Replica) -> "Future[Health]":
        """Answered at once by one that is well, even while it works."""

    def fate(self, error: BaseException) -> Fate:
        """What an error of the other two says."""

    def restart(self, replica: Replica) -> None:
        """End its process; another starts in its place while restarts are left."""

    def replace(self, replica: Replica) -> bool:
        """Give a replica that is gone for good a new actor; False when that is not possible."""


@dataclass
class _Case:
    """A replica under care."""

    since: float
    """When it was last seen to make progress."""
    probe: "Future[FovealError | None] | Future[Health]"
    asked: float
    finished: tuple[int, ...] = ()
    """Batches that it had finished when first and when last asked."""


class Keeper:
    """Cares for the closed replicas of one router, in a thread that lives while there are any."""

    def __init__(
        self,
        router: Router,
        hands: Hands,
        patience: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router, self._hands, self._patience, self._now = router, hands, patience, now
        self._cases: dict[Replica, _Case] = {}
        self._wake, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = False

    def watch(self) -> None:
        """Some replica may be closed now."""
        with self._lock:
            if self._over:
                return
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="foveal-keeper", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Care no longer."""
        with self._lock:
            self._over, thread = True, self._thread
            self._wake.set()
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        while True:
            self._wake.clear()
            self.tend()
            with self._lock:
                if self._over or not self._router.closed():
                    self._thread = None
                    return
            self._wake.wait(GLANCE)

    def tend(self) -> None:
        """One look at every closed replica."""
        for replica in self._router.closed():
            case = self._cases.get(replica)
            if case is None:
                now = self._now()
                self._cases[replica] = _Case(now, self._asked(replica), now)
            elif case.probe.done():
                self._judge(replica, case)
            elif replica.state == "late" and self._now() - case.asked > self._patience:
                self._restart(replica)

    def _asked(self, replica: Replica) -> "Future[FovealError | None] | Future[Health]":
        ask = self._hands.health if replica.state == "late" else self._hands.ready
        probe = ask(replica)
        probe.add_done_callback(lambda _: self._wake.set())
        return probe

    def _judge(self, replica: Replica, case: _Case) -> None:
        error = case.probe.exception()
        if error is not None:
            self._lost(replica, case, error)
            return
        answer = case.probe.result()
        if isinstance(answer, Health):
            self._weigh(replica, case, answer)
        elif replica.state == "joining":
            self._settle(replica, "open")
        else:  # it is back, but may still be at what it was given before
            self._settle(replica, "late")

    def _weigh(self, replica: Replica, case: _Case, health: Health) -> None:
        if self._well(health, case):
            self._settle(replica, "open")
        elif self._now() - case.since > self._patience:
            self._restart(replica)
        elif self._now() - case.asked >= GLANCE:
            case.probe, case.asked = self._asked(replica), self._now()

    def _well(self, health: Health, case: _Case) -> bool:
        """Idle, or seen to finish a whole batch for others: one that is stuck does neither."""
        first, *last = case.finished or (health.finished,)
        if last and health.finished > last[0]:
            case.since = self._now()
        case.finished = (first, health.finished)
        return health.idle or health.finished >= first + 2

    def _lost(self, replica: Replica, case: _Case, error: BaseException) -> None:
        if self._hands.fate(error) == "gone":
            replica.death = error
            replaced = not replica.mine and self._hands.replace(replica)
            self._settle(replica, "joining" if replaced else "dead")
        elif self._now() - case.asked >= GLANCE:
            self._settle(replica, "joining" if replica.state == "joining" else "away")

    def _restart(self, replica: Replica) -> None:
        self._hands.restart(replica)
        self._settle(replica, "away")

    def _settle(self, replica: Replica, state: State) -> None:
        """This case is closed; in most states another is opened at the next look."""
        self._cases.pop(replica, None)
        self._router.turn(replica, state)
        self._wake.set()
