"""Waiting for a server: for what may pass by itself, longer each time, and as long as it asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from foveal.agent.openai.patience import Patience, retry_after


class Busy(Exception):
    """May pass."""


class Gone(Exception):
    """Will not."""


class Flaky:
    """Fails as told, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def passing(error: Exception) -> dict[str, str] | None:
    return dict(error.args[0]) if isinstance(error, Busy) else None


async def test_what_passes(waits: Any) -> None:
    send = Flaky(Busy({}), Busy({"retry-after": "3"}), Busy({}))
    assert await Patience(sleep=waits).tried(send, passing) == "done"
    assert send.calls == 4
    assert 0.375 <= waits[0] <= 0.5
    assert waits[1] == 3
    assert 1.5 <= waits[2] <= 2


async def test_what_does_not_pass_in_time(waits: Any) -> None:
    send = Flaky(*[Busy({})] * 9)
    with pytest.raises(Busy):
        await Patience(attempts=3, sleep=waits).tried(send, passing)
    assert (send.calls, len(waits)) == (3, 2)


async def test_what_will_not_pass(waits: Any) -> None:
    send = Flaky(Gone())
    with pytest.raises(Gone):
        await Patience(sleep=waits).tried(send, passing)
    assert (send.calls, len(waits)) == (1, 0)


def test_waits_grow_up_to_a_limit() -> None:
    patience = Patience()
    for attempt, longest in ((1, 0.5), (2, 1), (3, 2), (5, 8), (50, 8)):
        wait = patience.wait(attempt, {})
        assert wait is not None
        assert 0.75 * longest <= wait <= longest


def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    assert Patience().wait(1, {"retry-after": "60"}) == 60
    assert Patience().wait(1, {"retry-after": "61"}) is None
    assert Patience().wait(1, {"retry-after": "inf"}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_how_long_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_server_may_name_a_time() -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    asked = retry_after({"retry-after": format_datetime(later, usegmt=True)})
    assert asked is not None
    assert 7000 < asked <= 7200
    assert retry_after({"retry-after": "Fri, 01 Jan 2021 00:00:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "Fri, 01 Jan 2021 00:00:00 -0000"}) is None
