"""What tools were good for, and how long answers took."""

from typing import Any

import pytest

from foveal.agent.actions import Detect, Read
from foveal.agent.observations import Detected, Failed, Recognised
from foveal.evals.helped import helped
from foveal.evals.timing import Warmth, times
from foveal.graphs.result import Faithful

DETECT, READ = Detect(phrase="cube"), Read()
FOUND, LINES = Detected(phrase="cube"), Recognised()


def compared(depends: bool) -> Faithful:
    return Faithful(
        depends=depends, answer="1", confidence=None, without="?", confidence_without=None
    )


@pytest.fixture
def rows(row: Any) -> list[Any]:
    two = {"actions": [DETECT, DETECT], "judged": (True, False)}
    both = {"actions": [DETECT, READ], "judged": (True, None)}
    failed = Failed(error="specialist", message="out of order")
    return [
        row("1", "1", None, FOUND, FOUND, faithful=compared(True), **two),
        row("1", "1", None, FOUND, failed, faithful=compared(False), **both),
        row("1", "2", None, LINES, faithful=compared(True), actions=[READ], judged=(True,)),
        row("1", "1", None),
    ]


def test_each_tool_is_counted(rows: list[Any]) -> None:
    used = helped(rows, verified=True)
    assert list(used) == ["detect", "read"]
    detect, read = used["detect"], used["read"]
    assert (detect.calls, detect.share, detect.judged, detect.right) == (0.75, 0.5, 3, 2)
    assert detect.accuracy == pytest.approx(2 / 3)
    assert (read.calls, read.share, read.judged, read.right, read.accuracy) == (0.5, 0.5, 1, 1, 1.0)


def test_it_caused_what_is_right_and_would_have_been_another_answer(rows: list[Any]) -> None:
    used = helped(rows, verified=True)
    assert (used["detect"].caused, used["read"].caused) == (0.5, 0.0)
    assert {one.caused for one in helped(rows, verified=False).values()} == {None}


def test_what_was_never_judged_has_no_accuracy(row: Any) -> None:
    failed = Failed(error="specialist", message="out of order")
    (used,) = helped([row("", "1", None, failed, actions=[READ], judged=(None,))], False).values()
    assert (used.judged, used.accuracy, used.interval) == (0, None, (0.0, 1.0))


def test_times_are_of_questions_that_loaded_nothing(row: Any) -> None:
    rows = [row("1", "1", seconds=s, cold=s > 5) for s in (9.0, 1.0, 2.0, 8.0, 3.0)]
    found = times(rows)
    assert (found.first, found.warm, found.p50, found.p95) == (9.0, 3, 2.0, 2.9)
    cold = times(rows[:1])
    assert (cold.warm, cold.p50, cold.p95) == (0, None, None)


def test_each_specialist_is_loaded_once() -> None:
    warmth = Warmth()
    asked = [[], [], ["detect"], ["detect", "read"], ["read", "detect"], []]
    assert [warmth.cold(kinds) for kinds in asked] == [True, False, True, True, False, False]
