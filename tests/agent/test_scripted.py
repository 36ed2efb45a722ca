"""Reciting: one turn per act, under the rules that real models keep, from where a transcript ends."""

from typing import Any

import pytest

from foveal.agent.actions import Answer, Detect, Read
from foveal.agent.errors import ActionError
from foveal.agent.scripted import ScriptedModel
from foveal.agent.transcript import Acted, Asked, Noted

ASKED = Asked(image="a" * 64, size=(4, 4), question="?")
LOOKING = "<|detect_start|>red cube<|detect_end|><|read_start|><|read_end|>"
NOTHING: Any = None


async def test_turns_come_in_order_with_their_confidence() -> None:
    session = await ScriptedModel([LOOKING, "two"], [0.9, 0.4]).open([ASKED], NOTHING)
    turn = await session.act(("detect", "read"), 10)
    assert turn == Acted(text=LOOKING, actions=(Detect(phrase="red cube"), Read()), confidence=0.9)
    await session.observe([Noted(text="whatever")])
    turn = await session.act((), 10)
    assert (turn.actions, turn.confidence) == ((Answer(text="two"),), 0.4)
    session.close()


async def test_missing_confidences_are_none() -> None:
    session = await ScriptedModel(["one", "two"], [0.9]).open([ASKED], NOTHING)
    assert [(await session.act((), 1)).confidence for _ in range(3)] == [0.9, None, None]


async def test_past_the_end_there_is_an_empty_answer_that_costs_nothing() -> None:
    session = await ScriptedModel(["one"]).open([ASKED], NOTHING)
    await session.act((), 1)
    assert (await session.act((), 1)).actions == (Answer(text=""),)
    assert session.usage.emitted == 1


async def test_an_action_that_is_not_allowed_is_the_models_error() -> None:
    model = ScriptedModel([LOOKING, LOOKING, "<|look_start|>", "two"])
    session = await model.open([ASKED], NOTHING)
    with pytest.raises(ActionError, match="read is not allowed here; allowed: detect"):
        await session.act(("detect",), 1)
    with pytest.raises(ActionError, match="none, answer now"):
        await session.act((), 1)
    with pytest.raises(ActionError, match="never closed"):
        await session.act(("look",), 1)
    assert (await session.act((), 1)).text == "two", "the script goes on after an error"


async def test_a_session_opened_on_a_transcript_goes_on_after_its_turns() -> None:
    model = ScriptedModel(["one", "two", "three"])
    session = await model.open([ASKED, Acted(text="one"), Noted(text="x"), Acted(text="")], NOTHING)
    assert (await session.act((), 1)).text == "three"


async def test_sessions_of_one_model_are_independent() -> None:
    model = ScriptedModel(["one", "two"])
    first, second = await model.open([ASKED], NOTHING), await model.open([ASKED], NOTHING)
    await first.act((), 1)
    assert (await second.act((), 1)).text == "one"


async def test_text_is_streamed() -> None:
    heard: list[str] = []
    session = await ScriptedModel(["one", ""]).open([ASKED], NOTHING)
    await session.act((), 1, heard.append)
    await session.act((), 1, heard.append)
    assert heard == ["one"]
