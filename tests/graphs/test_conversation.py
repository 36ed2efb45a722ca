"""Follow-up questions: what the model is told, what is kept, and what happens when a question fails."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.agent import Agent
from foveal.graphs.approval import ApprovalNeeded, Decision
from foveal.graphs.budgets import Budgets
from foveal.graphs.replay import replay

RED = "<|detect_start|>red<|detect_end|>"
LOOK = "<|look_start|><|obj_2|><|look_end|>"


@pytest.fixture
def made(painter: Any, reciter: Any) -> Iterator[Callable[..., Any]]:
    """Makes an agent and its model, from the turns."""
    agents: list[Agent] = []

    def make(*turns: str, model: Any = None, **options: Any) -> Any:
        model = model or reciter(*turns)
        agents.append(Agent(model=model, dispatcher=painter, store=painter.store, **options))
        return agents[-1], model

    yield make
    for agent in agents:
        agent.close()


def test_a_question_may_refer_to_what_was_found_before(
    made: Any, painter: Any, picture: Any
) -> None:
    agent, model = made(RED, "2", LOOK, "the right one", RED, "2")
    with agent.conversation(picture) as talk:
        first = talk.ask("How many red squares?")
        second = talk.ask("Which of them is larger?")
        third = talk.ask("How many were there again?")
        assert talk.understands
    assert [first.answer, second.answer, third.answer] == ["2", "the right one", "2"]
    assert [piece.box for piece in second.evidence] == [(40, 8, 60, 28)]
    assert [(hop.turn, hop.repeated) for hop in third.hops] == [(1, True)]
    assert [action.kind for action in painter.calls] == ["detect", "look"], "asked once"
    (session,) = model.sessions
    assert [type(item) for item in session.heard] == [
        Asked, Acted, Observed, Acted,
        Noted, Acted, Observed, Acted,
        Noted, Acted, Observed, Noted, Acted,
    ]  # fmt: skip
    assert session.heard[4].text == "Which of them is larger?"
    assert session.closed == 1


def test_each_question_has_all_of_the_budgets(made: Any, picture: Any) -> None:
    turns = [RED, "2", LOOK, "right"]
    agent, _ = made(*turns, budgets=Budgets(hops=1, new_tokens=60))
    with agent.conversation(picture) as talk:
        results = [talk.ask("How many?"), talk.ask("Which is larger?")]
    assert [result.usage.hops for result in results] == [1, 1]
    assert [result.usage.emitted for result in results] == [
        len(RED) + 1,
        len(LOOK) + len("right"),
    ]


def test_a_question_that_fails_leaves_the_conversation_as_it_was(
    made: Any, painter: Any, picture: Any
) -> None:
    agent, model = made(RED, "2", LOOK, "right")

    async def stumble(action: Any) -> None:
        if len(painter.calls) == 2:
            raise ZeroDivisionError

    painter.before = stumble
    with agent.conversation(picture) as talk:
        talk.ask("How many?")
        with pytest.raises(InputError, match="question is empty"):
            talk.ask(" ")
        with pytest.raises(ZeroDivisionError):
            talk.ask("Which is larger?")
        assert talk.ask("Which one is larger?").answer == "right"
    before, after = model.opened
    assert [type(item) for item in after] == [Asked, Acted, Observed, Acted, Noted]
    assert (before[0], after[-1].text) == (after[0], "Which one is larger?")
    assert [session.closed for session in model.sessions] == [1, 1]


def test_the_schema_is_the_questions_own(made: Any, picture: Any) -> None:
    agent, model = made("2", '{"answer": true}', "yes")
    schema = {"type": "object", "properties": {"answer": {"type": "boolean"}}}
    with agent.conversation(picture) as talk:
        assert talk.ask("How many?").value is None
        assert talk.ask("Are they red?", schema=schema).value == {"answer": True}
        assert talk.ask("Really?").value is None
    told = [item.text for item in model.sessions[0].heard if isinstance(item, Noted)]
    assert told[0].startswith("Are they red?\n\nGive your final answer as JSON alone")
    assert told[1] == "Really?"


def test_an_answer_without_looking_is_part_of_the_conversation(
    made: Any, picture: Any, reciter: Any
) -> None:
    model = reciter("1", "2", "3", direct=["1", "2"], direct_confidence=0.9)
    agent, _ = made(model=model, gate=0.5)
    with agent.conversation(picture) as talk:
        assert [talk.ask("One?").ended_by, talk.ask("Two?").ended_by] == ["gate", "gate"]
        model.direct_confidence = 0.1
        model.direct = ["1", "2", "unsure"]
        assert talk.ask("Three?").ended_by == "answer"
    heard = [getattr(item, "question", "") or item.text for item in model.sessions[-1].heard]
    assert heard == ["One?", "1", "Two?", "2", "Three?", "3"]
    assert model.opened[1][0].tools == (), "as if there never had been any"
    assert {session.closed for session in model.sessions} == {1}


def test_a_model_that_knows_single_questions_is_asked_each_by_itself(
    made: Any, picture: Any, reciter: Any
) -> None:
    model = reciter(RED, "2")
    model.converses = False
    agent, _ = made(model=model)
    with agent.conversation(picture) as talk:
        before = talk.understands
        assert [talk.ask("How many?").answer, talk.ask("And now?").answer] == ["2", "2"]
        assert (before, talk.understands) == (None, False)
        assert [len(opened) for opened in model.opened] == [1, 1]
        assert [session.closed for session in model.sessions] == [1, 0], "the last one is kept"
    assert [session.closed for session in model.sessions] == [1, 1]


async def test_questions_wait_for_each_other(made: Any, picture: Any) -> None:
    agent, model = made("1", "2", "3")
    async with agent.conversation(picture) as talk:
        results = await asyncio.gather(*(talk.aask(f"Question {n}?") for n in range(3)))
        assert [result.answer for result in results] == ["1", "2", "3"]
    assert len(model.sessions) == 1


def test_it_is_streamed(made: Any, picture: Any) -> None:
    agent, _ = made(RED, "2", "yes")
    with agent.conversation(picture) as talk:
        talk.ask("How many?")
        started, *_, finished = talk.stream("Are they red?")
    assert (started.asked.question, len(started.past)) == ("Are they red?", 4)
    assert (finished.result.answer, [event.turn for event in _ if event.kind == "thought"]) == (
        "yes",
        [1],
    )


def test_the_image_stays_until_it_is_closed(made: Any, painter: Any, picture: Any) -> None:
    agent, _ = made("1", "2")
    painter.store.budget = 0
    talk = agent.conversation(picture)
    image = talk.ask("One?").image
    painter.store.put(picture[::-1].copy())
    assert image in painter.store
    talk.close()
    painter.store.put(picture[:, ::-1].copy())
    assert image not in painter.store
    talk.close()
    with pytest.raises(RuntimeError, match="this conversation is closed"):
        talk.ask("Two?")


def test_closing_the_agent_closes_it(made: Any, painter: Any, picture: Any) -> None:
    agent, model = made("1")
    talk = agent.conversation(picture)
    talk.ask("One?")
    agent.close()
    assert model.sessions[0].closed == 1
    assert not painter.store._pins
    talk.close()


def test_a_bad_image_is_told_and_another_question_is_no_bug(made: Any) -> None:
    agent, _ = made("1")
    with agent.conversation("none.png") as talk:
        for _ in range(2):
            with pytest.raises(InputError, match=r"none.png does not exist"):
                talk.ask("One?")


async def test_a_follow_up_is_replayed(made: Any, picture: Any, tmp_path: Path) -> None:
    agent, _ = made(RED, "2", LOOK, "right", trace_dir=tmp_path)
    with agent.conversation(picture) as talk:
        talk.ask("How many?")
        result = talk.ask("Which is larger?", verify=True)
    assert result.trace is not None
    again = await replay(result.trace, picture)
    assert (again.answer, again.evidence) == (result.answer, result.evidence)
    counts = ("hops", "actions", "emitted", "prefilled", "visual")
    assert [getattr(again.usage, name) for name in counts] == [
        getattr(result.usage, name) for name in counts
    ]


def test_a_follow_up_that_waits_for_a_person_goes_on_with_its_past(
    made: Any, picture: Any, tmp_path: Path
) -> None:
    Image.fromarray(picture).save(tmp_path / "picture.png")
    turns = (RED, "2", LOOK, "right")
    kept = {"checkpoint": f"sqlite:{tmp_path / 'runs.db'}", "approve": ["look"]}
    agent, _ = made(*turns, **kept)
    with agent.conversation(tmp_path / "picture.png") as talk:
        talk.ask("How many?")
        with pytest.raises(ApprovalNeeded) as waiting:
            talk.ask("Which is larger?")
    another, model = made(*turns, **kept)
    result = another.runs.resume(waiting.value.run, Decision.accept())
    assert result.answer == "right"
    assert [piece.box for piece in result.evidence] == [(40, 8, 60, 28)]
    assert [type(item) for item in model.opened[0][:5]] == [Asked, Acted, Observed, Acted, Noted]


def test_it_may_be_about_several_images(made: Any, picture: Any) -> None:
    agent, model = made("2", "the first")
    with agent.conversation([picture, picture[::-1].copy()]) as talk:
        assert [talk.ask("How many?").answer, talk.ask("Which?").answer] == ["2", "the first"]
    ((asked,),) = model.opened
    assert len(asked.images) == 2
