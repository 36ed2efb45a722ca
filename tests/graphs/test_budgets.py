"""Every budget ends in one last turn, in which the model can only answer."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from foveal.agent.observations import Failed
from foveal.agent.transcript import Noted
from foveal.graphs.budgets import BudgetName, Budgets, Spent, exhausted
from foveal.graphs.run import run

RED = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
READ = "<|read_start|><|read_end|>"
LOOK = "<|region_token_start|><|x_0|><|y_0|><|x_1|><|y_1|><|region_token_end|>"


def _ticking() -> Callable[[], float]:
    """A clock on which every look at it takes a second."""
    ticks: Iterator[int] = iter(range(1000))
    return lambda: float(next(ticks))


@pytest.mark.parametrize(
    ("name", "budgets"),
    [
        ("hops", Budgets(hops=1)),
        ("actions", Budgets(actions=1)),
        ("new_tokens", Budgets(new_tokens=len(RED))),
        ("visual_tokens", Budgets(visual_tokens=20)),  # 6 for the image, 16 for the crop
        ("seconds", Budgets(seconds=5)),
    ],
)
async def test_each_budget_ends_in_a_forced_answer(
    name: str, budgets: Budgets, parts: Any, painter: Any, picture: Any
) -> None:
    painter.tokens = 16
    needed = parts(LOOK if name == "visual_tokens" else RED, "2", budgets=budgets)
    result = await run("?", picture, needed, elapsed=_ticking())
    assert (result.answer, result.ended_by) == ("2", name)
    assert len(result.hops) == 1
    (session,) = needed.model.sessions
    assert session.allowed[-1] == ()
    assert session.heard[-2] == Noted(text="Now answer the question.")
    assert session.replies == 1  # the observation and the call are one reply to the model's turn


async def test_nothing_to_spend_means_answering_at_once(parts: Any, picture: Any) -> None:
    needed = parts("2", budgets=Budgets(hops=0))
    result = await run("?", picture, needed)
    assert (result.answer, result.ended_by, result.hops) == ("2", "hops", ())
    assert needed.model.sessions[0].allowed == [()]


async def test_text_cut_off_by_the_token_budget_is_not_taken_for_the_answer(
    parts: Any, picture: Any
) -> None:
    needed = parts("Let me think about that at length.", "2", budgets=Budgets(new_tokens=10))
    result = await run("?", picture, needed)
    assert (result.answer, result.ended_by) == ("2", "new_tokens")
    assert result.usage.emitted == 11


async def test_actions_past_the_budget_are_refused_one_by_one(
    parts: Any, painter: Any, picture: Any
) -> None:
    needed = parts(RED + BLUE + READ, "2", budgets=Budgets(actions=2))
    result = await run("?", picture, needed)
    assert [action.kind for action in painter.calls] == ["detect", "detect"]
    refused = result.hops[2].observation
    assert isinstance(refused, Failed)
    assert refused.error == "action"
    assert "budget" in refused.message
    assert (result.usage.actions, result.ended_by) == (2, "actions")


async def test_a_specialist_is_not_awaited_past_the_time(
    parts: Any, painter: Any, picture: Any
) -> None:
    painter.before = lambda action: asyncio.Event().wait()  # never
    result = await run("?", picture, parts(RED, "2", budgets=Budgets(seconds=0.05)))
    assert result.hops[0].observation == Failed(
        error="specialist", message="detector failed: the run's time is used up"
    )
    assert (result.answer, result.ended_by) == ("2", "seconds")


async def test_a_timeout_inside_a_dispatcher_is_a_bug_of_its_own(
    parts: Any, painter: Any, picture: Any
) -> None:
    async def time_out(action: Any) -> None:
        raise TimeoutError("not ours")

    painter.before = time_out
    with pytest.raises(TimeoutError, match="not ours"):
        await run("?", picture, parts(RED, "2"))


def test_the_first_budget_in_the_order_of_the_names_is_told() -> None:
    assert exhausted(Budgets(), Spent()) is None
    spent = Spent(hops=10**9, actions=10**9, emitted=10**9, visual=10**9, seconds=1e9)
    names = get_args(BudgetName)
    for position, name in enumerate(names):
        unlimited = dict.fromkeys(names[:position], 10**10)
        assert exhausted(Budgets.model_validate(unlimited), spent, 10**9) == name


@pytest.mark.parametrize("wrong", [{"hops": -1}, {"hopps": 3}, {"answer_tokens": 0}])
def test_budgets_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Budgets.model_validate(wrong)
