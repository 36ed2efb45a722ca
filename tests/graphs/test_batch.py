"""So many questions in flight, each one's outcome kept once, whatever becomes of the others."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from foveal.agent.errors import InputError, SetupError, SpecialistError
from foveal.graphs import batch
from foveal.graphs.batch import Answered, Batch, Failure, Outcome
from foveal.graphs.budgets import Spent
from foveal.graphs.query import Query, Unreadable
from foveal.graphs.result import Result


def queries(count: int, **options: Any) -> list[Query]:
    return [Query(n, f"{n}", b"image", "a.png", f"{n}", **options) for n in range(count)]


class Sayer:
    """Answers with the question; `before` is awaited first, and may raise."""

    def __init__(self, before: Callable[[str], Any]) -> None:
        self.before = before
        self.running = self.most = 0

    async def aask(self, image: Any, question: str) -> Result:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.before(question)
        finally:
            self.running -= 1
        return Result(
            answer=question, confidence=None, hops=(), evidence=(), ended_by="answer", usage=Spent(),
            seconds=0, trace=None, notes=(), run="r", image="h",
        )  # fmt: skip


class Kept:
    """What was kept, and in how many writes; only one thread may write at a time."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.writes = 0
        self._lock = threading.Lock()

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        assert self._lock.acquire(blocking=False), "two writes at once"
        self.outcomes += outcomes
        self.writes += 1
        self._lock.release()

    @property
    def ids(self) -> list[str]:
        return sorted((outcome.query.id for outcome in self.outcomes), key=int)


async def soon(question: str) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_each_outcome_is_kept_once(kept: Kept) -> None:
    seen: list[Outcome] = []
    meeting = asyncio.Barrier(7)  # opens when seven are in flight
    sayer = Sayer(lambda question: meeting.wait())
    await Batch(sayer, kept, in_flight=7, watch=seen.append).run(iter(queries(70)))
    assert kept.ids == [f"{n}" for n in range(70)]
    assert all(
        o.result.answer == o.query.question for o in kept.outcomes if isinstance(o, Answered)
    )
    assert seen == kept.outcomes
    assert sayer.most == 7


async def test_questions_are_taken_only_when_somebody_has_time(kept: Kept) -> None:
    taken: list[str] = []
    gate = asyncio.Event()

    def source() -> Iterator[Query]:
        for query in queries(1000):
            taken.append(query.id)
            yield query

    async def wait(question: str) -> None:
        if len(taken) >= 3:
            gate.set()
        await (asyncio.sleep(0) if kept.outcomes else gate.wait())

    running = asyncio.create_task(Batch(Sayer(wait), kept, in_flight=3).run(source()))
    await gate.wait()
    assert len(taken) == 3
    await running
    assert len(kept.outcomes) == 1000


async def test_failures_are_kept_and_the_rest_goes_on(kept: Kept) -> None:
    async def fail(question: str) -> None:
        if question == "3":
            raise InputError("the image is damaged")
        if question == "5":
            raise SpecialistError("agent", "it died")
        if question == "7":
            raise ZeroDivisionError("several\nlines")

    await Batch(Sayer(fail), kept, in_flight=4).run(
        iter([*queries(9), Unreadable(9, "9", "not JSON")])
    )
    assert kept.ids == [f"{n}" for n in range(10)]
    failures = {o.query.id: (o.kind, o.reason) for o in kept.outcomes if isinstance(o, Failure)}
    assert failures == {
        "3": ("InputError", "the image is damaged"),
        "5": ("SpecialistError", "agent failed: it died"),
        "7": ("ZeroDivisionError", "several lines"),
        "9": ("InputError", "not JSON"),
    }
    (bug,) = (o for o in kept.outcomes if isinstance(o, Failure) and o.query.id == "7")
    assert "ZeroDivisionError: several" in bug.where
    assert "in fail" in bug.where


async def test_what_every_question_would_meet_ends_it(kept: Kept) -> None:
    async def fail(question: str) -> None:
        if question == "5":
            raise SetupError("weights are missing", "reinstall")
        await asyncio.sleep(0 if int(question) < 5 else 600)

    with pytest.raises(SetupError, match="weights are missing"):
        await Batch(Sayer(fail), kept, in_flight=2).run(iter(queries(100)))
    assert set(kept.ids) <= {"0", "1", "2", "3", "4"}


async def test_a_row_of_bugs_ends_it(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "HOPELESS", 4)

    async def fail(question: str) -> None:
        if question not in {"2", "5"}:
            raise RuntimeError("device-side assert")

    told = "4 questions in a row failed, the last with RuntimeError: device-side assert"
    with pytest.raises(SetupError, match=told):
        await Batch(Sayer(fail), kept, in_flight=1).run(iter(queries(100)))
    assert kept.ids == [f"{n}" for n in range(9)]


async def test_bad_images_in_a_row_do_not_end_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "HOPELESS", 4)

    async def fail(question: str) -> None:
        raise InputError("the image is damaged")

    await Batch(Sayer(fail), kept, in_flight=2).run(iter(queries(50)))
    assert len(kept.outcomes) == 50


async def test_winding_down_answers_what_is_in_flight(kept: Kept) -> None:
    gate = asyncio.Event()
    sayer = Sayer(lambda question: gate.wait())
    running = Batch(sayer, kept, in_flight=3)
    task = asyncio.create_task(running.run(iter(queries(100))))
    while sayer.running < 3:
        await asyncio.sleep(0)
    running.wind_down()
    gate.set()
    await task
    assert kept.ids == ["0", "1", "2"]


async def test_cancelling_drops_what_is_in_flight_and_keeps_the_rest(kept: Kept) -> None:
    sayer = Sayer(lambda question: asyncio.sleep(600 if int(question) > 9 else 0))
    task = asyncio.create_task(Batch(sayer, kept, in_flight=3).run(iter(queries(100))))
    while len(kept.outcomes) < 10:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kept.ids == [f"{n}" for n in range(10)]
    assert sayer.running == 0


async def test_a_write_under_way_is_not_cut_short() -> None:
    begun, go_on = threading.Event(), threading.Event()
    written: list[Outcome] = []

    def keep(outcomes: Sequence[Outcome]) -> None:
        begun.set()
        assert go_on.wait(60)
        written.extend(outcomes)

    task = asyncio.create_task(Batch(Sayer(soon), keep, in_flight=1).run(iter(queries(5))))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [outcome.query.id for outcome in written] == ["0"]


async def test_what_finishes_during_a_write_is_written_together() -> None:
    begun, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    def keep(outcomes: Sequence[Outcome]) -> None:
        sizes.append(len(outcomes))
        begun.set()
        assert go_on.wait(60)

    sayer = Sayer(soon)
    running = Batch(sayer, keep, in_flight=6)
    task = asyncio.create_task(running.run(iter(queries(6))))
    await asyncio.to_thread(begun.wait)
    while sizes[0] + len(running._waiting) < 6:
        await asyncio.sleep(0)
    go_on.set()
    await task
    assert sizes == [sizes[0], 6 - sizes[0]]


async def test_a_disk_that_is_full_ends_it() -> None:
    def keep(outcomes: Sequence[Outcome]) -> None:
        raise SetupError("no room", "make some")

    with pytest.raises(SetupError, match="no room"):
        await Batch(Sayer(soon), keep, in_flight=3).run(iter(queries(100)))


async def test_answers_are_judged_where_the_truth_is_known(kept: Kept) -> None:
    def judge(answer: str, truths: Sequence[str]) -> Any:
        return "right" if answer in truths else "wrong"

    known, other = queries(1, truths=("7", "0")), queries(3)[1:]
    await Batch(Sayer(soon), kept, judge=judge, in_flight=1).run(iter([*known, *other]))
    assert [o.verdict for o in kept.outcomes if isinstance(o, Answered)] == ["right", None, None]
