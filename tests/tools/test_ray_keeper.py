"""How a replica comes back into use, without Ray: hands that do what the test says."""

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from foveal.agent.errors import FovealError, SetupError
from foveal.tools.gauges import Health
from foveal.tools.ray_keeper import GLANCE, Fate, Keeper
from foveal.tools.ray_route import Replica, Router, State

IDLE, BUSY = Health(0, 0, 5), Health(0, 1, 5)
PATIENCE = 30.0


class Gone(Exception):
    """The actor is dead for good."""


class Away(Exception):
    """The actor cannot be reached."""


class FakeHands:
    """Actors whose answers the test gives."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Future[Any]]] = []
        self.restarted: list[Replica] = []
        self.replaced: list[Replica] = []
        self.replaceable = True

    def ready(self, replica: Replica) -> "Future[FovealError | None]":
        return self._asked("ready")

    def health(self, replica: Replica) -> "Future[Health]":
        return self._asked("health")

    def fate(self, error: BaseException) -> Fate:
        return "gone" if isinstance(error, Gone) else "away"

    def restart(self, replica: Replica) -> None:
        self.restarted.append(replica)

    def replace(self, replica: Replica) -> bool:
        self.replaced.append(replica)
        return self.replaceable

    def _asked(self, what: str) -> "Future[Any]":
        self.asked.append((what, Future()))
        return self.asked[-1][1]


class Case:
    """One replica in care."""

    def __init__(self, state: State, mine: bool = True) -> None:
        self.replica = Replica("detector/0", None, mine, state)
        self.hands, self.now = FakeHands(), 0.0
        self.router = Router([self.replica], room=4, slack=1)
        self.keeper = Keeper(self.router, self.hands, PATIENCE, lambda: self.now)
        self.keeper.tend()

    def after(self, answer: Any = None, seconds: float = GLANCE) -> State:
        """Its state once the last question is answered, and so much later."""
        if isinstance(answer, Gone | Away):
            self.hands.asked[-1][1].set_exception(answer)
        elif answer != "silence":
            self.hands.asked[-1][1].set_result(answer)
        self.now += seconds
        self.keeper.tend()
        self.keeper.tend()  # what a look decided, the next one acts upon
        return self.replica.state

    @property
    def questions(self) -> list[str]:
        return [what for what, _ in self.hands.asked]


def test_a_new_replica_is_open_once_it_is_loaded() -> None:
    case = Case("joining")
    assert case.after("silence", 1000) == "joining"
    assert case.hands.restarted == []  # loading, or room for it, may take its time
    assert case.after(None) == "open"
    assert case.questions == ["ready"]


def test_one_that_cannot_be_loaded_is_open_so_that_it_tells() -> None:
    assert Case("joining").after(SetupError("weights are missing", "reinstall")) == "open"


def test_a_late_replica_is_open_again_only_when_it_is_idle() -> None:
    case = Case("late")
    for _ in range(3):
        assert case.after(BUSY) == "late"
    assert case.after(IDLE) == "open"
    assert set(case.questions) == {"health"}


def test_or_when_it_is_seen_to_finish_batches_for_others() -> None:
    case = Case("late")
    assert case.after(Health(3, 8, 5)) == "late"
    assert case.after(Health(3, 8, 6)) == "late"  # that batch may have begun before
    assert case.after(Health(3, 8, 7)) == "open"


def test_a_late_replica_that_stays_silent_is_restarted() -> None:
    case = Case("late")
    assert case.after("silence", PATIENCE - 1) == "late"
    assert case.hands.restarted == []
    assert case.after("silence", 2) == "away"
    assert case.hands.restarted == [case.replica]
    assert case.after(None) == "late"
    assert case.after(IDLE) == "open"


def test_a_late_replica_that_is_stuck_is_restarted() -> None:
    case = Case("late")
    for _ in range(4):
        case.after(BUSY, PATIENCE / 3)
    assert case.hands.restarted == [case.replica]


def test_one_that_makes_progress_is_not_stuck() -> None:
    case = Case("late")
    case.after(Health(0, 1, 5), PATIENCE * 0.9)
    case.after(Health(0, 1, 6), PATIENCE * 0.9)
    case.after(Health(0, 1, 6), PATIENCE * 0.05)
    assert case.hands.restarted == []


def test_a_replica_that_died_must_load_and_prove_that_it_is_idle() -> None:
    case = Case("away")
    assert case.after(Away()) == "away"
    assert case.after(None) == "late"
    assert case.after(BUSY) == "late"
    assert case.after(IDLE) == "open"
    assert case.questions == ["ready", "ready", "health", "health"]


def test_one_that_is_gone_for_good_is_given_up() -> None:
    case, death = Case("away"), Gone()
    assert case.after(death) == "dead"
    assert case.replica.death is death
    assert case.hands.replaced == []


def test_somebody_elses_that_is_gone_is_replaced_by_ours() -> None:
    case = Case("away", mine=False)
    assert case.after(Gone()) == "joining"
    assert case.hands.replaced == [case.replica]
    assert case.after(None) == "open"


def test_if_that_is_possible() -> None:
    case = Case("joining", mine=False)
    case.hands.replaceable = False
    assert case.after(Gone()) == "dead"


@pytest.mark.parametrize("state", ["joining", "late"])
def test_it_works_by_itself_while_there_is_something_to_care_for(state: State) -> None:
    case = Case(state)
    case.keeper.watch()
    case.hands.asked[-1][1].set_result(None if state == "joining" else IDLE)
    opened = threading.Event()
    while case.replica.state != "open":
        opened.wait(0.01)
    while case.keeper._thread is not None:
        opened.wait(0.01)
    case.keeper.stop()
    case.keeper.watch()
    assert case.keeper._thread is None
