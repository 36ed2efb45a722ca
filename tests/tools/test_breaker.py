"""A pool that fails as a whole is left alone for a while."""

import pytest

from foveal.agent.errors import SpecialistError
from foveal.tools.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("detector", failures=3, cooldown=30, now=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_single_failures_change_nothing(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.admit() is False
    assert not breaker.open


def test_after_repeated_failures_it_fails_fast(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10
    with pytest.raises(SpecialistError, match="its pool failed 3 times; it is tried again in 20 s"):
        breaker.admit()
    assert breaker.open


def test_then_one_request_tries_and_the_others_wait_for_its_outcome(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now = 31
    assert breaker.admit() is True
    with pytest.raises(SpecialistError):
        breaker.admit()
    breaker.succeeded()
    assert breaker.admit() is False


def test_a_failed_try_is_another_rest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 31
    breaker.admit()
    breaker.failed()
    clock.now = 60
    with pytest.raises(SpecialistError, match="in 1 s"):
        breaker.admit()
    clock.now = 62
    assert breaker.admit() is True


def test_a_try_that_never_ends_is_not_waited_for(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 31
    breaker.admit()
    clock.now = 62
    assert breaker.admit() is True
