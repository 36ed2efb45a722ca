"""Many questions from a program: bounded, in order or not, and failures that stay to themselves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from foveal.agent.errors import InputError, SetupError
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.many import AHEAD, answers

RED = "<|detect_start|>red<|detect_end|>"


@pytest.fixture
def agent(painter: Any) -> Any:
    """Looks for red and answers 2."""
    options = {"dispatcher": painter, "store": painter.store}
    with Agent(model=ScriptedModel([RED, "2"]), **options) as made:
        yield made


def test_answers_come_in_the_order_of_the_questions(agent: Agent, picture: Any) -> None:
    pairs = [(picture, f"Question {n}?") for n in range(20)]
    outcomes = list(agent.ask_many(iter(pairs)))
    assert [outcome.question for outcome in outcomes] == [question for _, question in pairs]
    assert [outcome.number for outcome in outcomes] == list(range(20))
    assert {outcome.result.answer for outcome in outcomes} == {"2"}


def test_one_that_fails_costs_no_other_its_answer(agent: Agent, painter: Any, picture: Any) -> None:
    async def stumble(action: Any) -> None:
        if len(painter.calls) == 1:
            raise ZeroDivisionError("a bug")

    painter.before = stumble
    pairs = [("none.png", "How many?"), (picture, " "), (picture, "How many?"), (picture, "And?")]
    missing, empty, bug, good = agent.ask_many(pairs, at_once=1)
    assert isinstance(missing.error, InputError)
    assert "none.png does not exist" in str(missing.error)
    assert isinstance(empty.error, InputError)
    assert isinstance(bug.error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        bug.result  # noqa: B018
    assert (good.error, good.result.answer) == (None, "2")


async def test_it_can_be_read_in_a_coroutine(agent: Agent, picture: Any) -> None:
    told = agent.ask_many([(picture, "How many?")] * 3)
    assert [outcome.result.answer async for outcome in told] == ["2"] * 3


def test_a_model_that_cannot_be_loaded_is_told_once(
    picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise SetupError("no weights", "get some")

    monkeypatch.setattr("foveal.graphs.agent._model", fail)
    with Agent() as agent, pytest.raises(SetupError, match="no weights"):
        next(agent.ask_many([(picture, "How many?")] * 3))


def test_no_question_gives_no_answer(agent: Agent) -> None:
    assert list(agent.ask_many([])) == []


def test_fewer_than_one_at_once_is_refused(agent: Agent) -> None:
    with pytest.raises(InputError, match="at_once is 0; give 1 or more"):
        agent.ask_many([], at_once=0)


class Desk:
    """Answers when it is told to, and counts."""

    def __init__(self) -> None:
        self.open: dict[str, asyncio.Future[Any]] = {}
        self.begun: list[str] = []

    async def open_up(self) -> None:
        assert not self.begun

    async def ask(self, image: Any, question: str) -> Any:
        self.begun.append(question)
        self.open[question] = asyncio.get_running_loop().create_future()
        try:
            return await self.open[question]
        finally:
            del self.open[question]

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await asyncio.sleep(0)


PAIRS = [("x.png", str(number)) for number in range(100)]


async def test_as_they_are_had() -> None:
    desk = Desk()
    told = answers(desk.open_up, desk.ask, PAIRS, at_once=3, in_order=False)
    first = asyncio.create_task(anext(told))
    await desk.until(lambda: len(desk.open) == 3)
    desk.open["1"].set_result("one")
    assert ((await first).number, desk.begun) == (1, ["0", "1", "2"])
    await told.aclose()
    assert desk.open == {}


async def test_no_more_are_begun_or_kept_than_was_said() -> None:
    desk = Desk()
    told = answers(desk.open_up, desk.ask, PAIRS, at_once=3, in_order=True)
    first = asyncio.create_task(anext(told))
    await desk.until(lambda: len(desk.open) == 3)
    most = 3 * AHEAD
    while len(desk.begun) < most:  # the first is slow: the others go on without it, for a while
        assert len(desk.open) <= 3
        desk.open[max(desk.open, key=int)].set_result("quick")
        await asyncio.sleep(0)
        await desk.until(lambda: len(desk.open) == 3 or len(desk.begun) == most)
    for question in [question for question in desk.open if question != "0"]:
        desk.open[question].set_result("quick")
    await desk.until(lambda: len(desk.open) == 1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (list(desk.open), len(desk.begun)) == (["0"], most)
    desk.open["0"].set_result("slow")
    assert (await first).number == 0
    assert [(await anext(told)).number for _ in range(most - 1)] == list(range(1, most))
    await told.aclose()
