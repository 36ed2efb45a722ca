"""Conversations with models of every backend: the image is encoded once, and the past is only added to."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.choosing import choose
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets

TABLETOP = Path(__file__).parents[2] / "examples" / "tabletop.png"
QUESTIONS = ("How many red cubes are there?", "What colour is the cone?", "Is there a blue ball?")
SHORT = Budgets(new_tokens=8, answer_tokens=8)


def encodings(agent: Agent, tower: Callable[[Any], Any]) -> list[Any]:
    """Grows by one whenever the loaded model's vision tower works."""
    counted: list[Any] = []
    agent.ask(np.zeros((56, 56, 3), dtype=np.uint8), "Is this a table?")  # loads it
    parts: Any = agent._parts
    tower(parts.model).register_forward_hook(lambda *_: counted.append(1))
    return counted


@pytest.mark.slow
async def test_a_chat_model_encodes_the_image_once(chat_folder: Any) -> None:
    with Agent(
        choose(None, str(chat_folder("qwen2_vl")), None), tools="none", budgets=SHORT
    ) as agent:
        counted = encodings(agent, lambda model: model.network.model.model.visual)
        with agent.conversation(TABLETOP) as talk:
            first, *later = [talk.ask(question) for question in QUESTIONS]
            assert (talk.understands, len(counted)) == (True, 1)
        for result in later:
            assert result.usage.visual == first.usage.visual
            assert result.usage.prefilled < first.usage.prefilled - first.usage.visual
            assert result.usage.afresh == 0
        agent.ask(TABLETOP, QUESTIONS[1])
        assert len(counted) == 2, "another conversation begins anew"


async def test_the_embedded_model_is_asked_each_by_itself() -> None:
    with Agent() as agent, Agent() as other:
        with agent.conversation(TABLETOP) as talk:
            answers = [talk.ask(question).answer for question in QUESTIONS]
            assert talk.understands is False
        assert answers == [other.ask(TABLETOP, question).answer for question in QUESTIONS]
        assert answers[0] == "3"


@pytest.mark.parametrize("close", [False, True])
async def test_native_models_keep_what_the_image_looks_like(
    close: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.agent.native.model.REMEMBERED", 0)
    with Agent(tools="none") as agent:
        counted = encodings(agent, lambda model: model.network.model.visual)
        talk = agent.conversation(TABLETOP)
        talk.ask(QUESTIONS[0])
        if close:
            talk.close()
            talk = agent.conversation(TABLETOP)
        talk.ask(QUESTIONS[1])
        talk.ask(QUESTIONS[2])
        talk.close()
    assert len(counted) == (2 if close else 1)


async def test_a_server_is_sent_a_history_that_only_grows(
    server: Any, painter: Any, picture: Any
) -> None:
    server.recites(
        server.turn("", [("detect", {"phrase": "red"})]),
        server.turn("2"),
        server.turn("", [("segment", {"box": None, "object": 2})]),
        server.turn("the right one"),
        server.turn("yes"),
    )
    profile = choose(None, "tiny", None, server.url)
    with (
        Agent(profile, dispatcher=painter, store=painter.store) as agent,
        agent.conversation(picture) as talk,
    ):
        assert talk.ask("How many red squares?").answer == "2"
        larger = talk.ask("Which of them is larger?")
        assert talk.ask("Are you sure?").answer == "yes"
    assert (larger.answer, larger.usage.cached) == ("the right one", 80)
    histories = [body["messages"] for body in server.bodies]
    assert [len(history) for history in histories] == [2, 4, 6, 8, 10]
    for before, after in pairwise(histories):
        assert after[: len(before)] == before
    follow_up = {"type": "text", "text": "Which of them is larger?"}
    assert histories[-1][5] == {"role": "user", "content": [follow_up]}
    pictures = [
        part
        for message in histories[-1]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]
    assert len(pictures) == 1
