"""One worker asked by many, without Ray: batches, tickets that are dropped, requests that stay alone."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from foveal.agent.actions import Detect
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Detected
from foveal.agent.pools import Pool
from foveal.tools.base import Reply, Request
from foveal.tools.batches import Outcome
from foveal.tools.cache import ByteLRU
from foveal.tools.worker import Worker

PIXELS = np.zeros((4, 4, 3), np.uint8)
CALM = Pool(max_wait_ms=0)


class Held:
    """Answers when it is let; remembers what came together."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.together: list[list[str]] = []
        self.warm = 0
        self.memory: ByteLRU[str] = ByteLRU(100)

    def warm_up(self) -> None:
        """Count."""
        self.warm += 1

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Echo the phrases once the gate is open."""
        phrases = [request.action.phrase for request in batch if isinstance(request.action, Detect)]
        self.together.append(phrases)
        self.begun.set()
        if "leave" in phrases:
            raise SystemExit(3)
        assert self.gate.wait(60)
        return [Reply(Detected(phrase=phrase)) for phrase in phrases]


@pytest.fixture
def held() -> Held:
    return Held()


def ask(worker: Worker, phrase: str, alone: bool = False) -> "asyncio.Task[Outcome]":
    return asyncio.create_task(worker.run(Detect(phrase=phrase), "hash", (), PIXELS, phrase, alone))


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


async def first_of(worker: Worker, held: Held) -> "asyncio.Task[Outcome]":
    """A request that the specialist is at work on."""
    first = ask(worker, "first")
    await until(held.begun.is_set)
    return first


async def test_what_waits_becomes_one_batch(held: Held) -> None:
    worker = Worker("detector", lambda: held, Pool(max_batch=8, max_wait_ms=0))
    first = await first_of(worker, held)
    rest = [ask(worker, str(number)) for number in range(10)]
    await until(lambda: len(worker._waiting) == 10)
    held.gate.set()
    replies = await asyncio.gather(first, *rest)
    assert held.together == [["first"], [str(n) for n in range(8)], ["8", "9"]]
    found = [one.observation for one in replies if isinstance(one, Reply)]
    assert [one.phrase for one in found if isinstance(one, Detected)][1:] == [
        str(n) for n in range(10)
    ]
    stats = await worker.stats()
    assert stats.batches == {1: 1, 8: 1, 2: 1}
    assert (stats.answered, stats.failed, stats.waiting, stats.running) == (11, 0, 0, 0)
    assert len(stats.seconds) == 11


async def test_who_has_had_company_waits_for_it_again(held: Held) -> None:
    held.gate.set()
    worker = Worker("detector", lambda: held, Pool(max_batch=2, max_wait_ms=60_000))
    await asyncio.gather(ask(worker, "one"), ask(worker, "two"))
    third = ask(worker, "three")
    await asyncio.sleep(0.05)
    assert not third.done()
    await asyncio.gather(third, ask(worker, "four"))  # a full batch waits no longer
    assert held.together == [["one", "two"], ["three", "four"]]


async def test_a_batch_waits_for_those_who_were_just_answered(held: Held) -> None:
    worker = Worker("detector", lambda: held, Pool(max_batch=8, max_wait_ms=60_000))
    first = await first_of(worker, held)
    second = ask(worker, "second")
    await until(lambda: len(worker._waiting) == 1)
    held.gate.set()
    await first
    await asyncio.gather(second, ask(worker, "first again"))
    assert held.together == [["first"], ["second", "first again"]]


async def test_nobody_waits_longer_than_allowed_for_company_that_does_not_come(held: Held) -> None:
    held.gate.set()
    worker = Worker("detector", lambda: held, Pool(max_batch=2, max_wait_ms=20))
    await asyncio.gather(ask(worker, "one"), ask(worker, "two"))
    await ask(worker, "three")
    assert held.together == [["one", "two"], ["three"]]


async def test_who_comes_alone_does_not_wait(held: Held) -> None:
    held.gate.set()
    worker = Worker("detector", lambda: held, Pool(max_batch=2, max_wait_ms=600_000))
    for phrase in ("one", "two"):
        await ask(worker, phrase)
    assert held.together == [["one"], ["two"]]


async def test_a_suspect_is_answered_alone(held: Held) -> None:
    worker = Worker("detector", lambda: held, CALM)
    first = await first_of(worker, held)
    rest = [
        ask(worker, "a"),
        ask(worker, "suspect", alone=True),
        ask(worker, "b"),
        ask(worker, "c"),
    ]
    await until(lambda: len(worker._waiting) == 4)
    held.gate.set()
    await asyncio.gather(first, *rest)
    assert held.together == [["first"], ["a"], ["suspect"], ["b", "c"]]


async def test_a_dropped_request_is_not_answered_and_harms_nobody(held: Held) -> None:
    worker = Worker("detector", lambda: held, CALM)
    first = await first_of(worker, held)
    dropped, kept = ask(worker, "dropped"), ask(worker, "kept")
    await until(lambda: len(worker._waiting) == 2)
    await worker.drop("dropped")
    await worker.drop("first")  # it is running: it finishes
    assert isinstance(await dropped, SpecialistError)
    held.gate.set()
    assert isinstance(await first, Reply)
    assert isinstance(await kept, Reply)
    assert held.together == [["first"], ["kept"]]


async def test_a_request_may_be_dropped_before_it_arrives(held: Held) -> None:
    worker = Worker("detector", lambda: held, CALM)
    await worker.drop("early")
    assert isinstance(await ask(worker, "early"), SpecialistError)
    assert held.together == []


async def test_it_says_how_it_is_while_it_works_also_to_another_loop(held: Held) -> None:
    worker = Worker("detector", lambda: held, CALM)
    assert (await worker.health()).idle
    first, later = await first_of(worker, held), ask(worker, "later")
    await until(lambda: len(worker._waiting) == 1)
    health = await asyncio.to_thread(asyncio.run, worker.health())
    assert (health.waiting, health.running, health.finished, health.idle) == (1, 1, 0, False)
    await asyncio.to_thread(asyncio.run, worker.drop("later"))
    assert isinstance(await later, SpecialistError)
    held.gate.set()
    await first
    await until(lambda: worker._meter.finished == 1)
    assert (await worker.health()).idle


async def test_weights_are_loaded_once_and_before_anybody_asks(held: Held) -> None:
    made: list[Held] = []

    def make() -> Held:
        made.append(held)
        return held

    worker = Worker("detector", make, CALM)
    assert await worker.ready() is None
    assert (len(made), held.warm) == (1, 1)
    held.gate.set()
    await asyncio.gather(ask(worker, "a"), ask(worker, "b"))
    assert (len(made), held.warm) == (1, 1)


def broken(error: BaseException) -> Held:
    raise error


async def test_what_prevents_loading_is_told_to_all() -> None:
    worker = Worker("detector", partial(broken, OSError("no disk")), CALM)
    refusals = [await worker.ready(), *await asyncio.gather(ask(worker, "a"), ask(worker, "b"))]
    assert [type(refusal) for refusal in refusals] == [SetupError] * 3
    assert "detector cannot be loaded (OSError: no disk)" in str(refusals[0])


async def test_one_that_leaves_is_an_answer_too(held: Held) -> None:
    worker = Worker("detector", partial(broken, SystemExit(2)), CALM)
    assert "SystemExit: 2" in str(await ask(worker, "a"))
    other = Worker("detector", lambda: held, CALM)
    assert "SystemExit: 3" in str(await ask(other, "leave"))
    held.gate.set()
    assert isinstance(await ask(other, "after"), Reply)


async def test_what_specialists_remember_is_counted(held: Held) -> None:
    worker = Worker("detector", lambda: held, CALM)
    await worker.ready()
    held.memory.put("a", "A", 30)
    held.memory.get("a")
    held.memory.get("b")
    stats = await worker.stats()
    assert (stats.hits, stats.misses, stats.cached_bytes) == (1, 1, 30)


async def test_it_says_what_it_was_started_with(held: Held) -> None:
    assert await Worker("detector", lambda: held, CALM).declared() == CALM


async def test_it_keeps_to_its_share_of_a_gpu(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    assert await Worker("detector", lambda: held, Pool(memory_fraction=0.4)).ready() is None
    assert shares == [0.4]
    assert await Worker("detector", lambda: held, Pool()).ready() is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert await Worker("detector", lambda: held, Pool(memory_fraction=0.4)).ready() is None
    assert shares == [0.4]
