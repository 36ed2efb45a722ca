"""A transcript as a conversation: it grows at its end only, and every call has a result whatever happened."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import (
    Action,
    Answer,
    Area,
    Depth,
    Detect,
    Look,
    Object,
    PerceptionKind,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.calls import action_of, arguments_of
from foveal.agent.coordinates import Convention, Frame
from foveal.agent.grammar import render
from foveal.agent.observations import Box, Detected, Failed, Looked, Observation, View
from foveal.agent.openai.history import Result, Said, Style, System, User, call_id, conversation
from foveal.agent.openai.pictures import Shown
from foveal.agent.transcript import Acted, Asked, Noted, Observed

IMAGE, SIZE = "a" * 64, (1200, 900)
FRAME = Frame("thousand", SIZE, SIZE)
TOOLS: tuple[PerceptionKind, ...] = ("look", "detect", "depth", "read")
ASKED = Asked(image=IMAGE, size=SIZE, question="How many?", tools=TOOLS)
BOX = Box(image=IMAGE, xyxy=(100, 90, 300, 270))
VIEW = View(role="crop", pixels=BOX, source=BOX)
WHOLE, CROP = Shown("data:whole", "whole"), Shown("data:crop", "crop")


def style(tools: bool = True, **more: Any) -> Style:
    return Style(FRAME, lambda view: WHOLE if view is None else CROP, tools, **more)


def acted(*actions: Action, text: str = "") -> Acted:
    """A turn as a session writes it down."""
    spelled = "".join(render(action, FRAME.spelled) for action in actions)
    return Acted(text=text + spelled, actions=actions)


def observed(action: Any, observation: Observation) -> Observed:
    return Observed(action=action, observation=observation)


LOOK, READ = Look(target=Area(x0=0.1, y0=0.1, x1=0.5, y1=0.5)), Read()
LOOKED = observed(LOOK, Looked(views=(VIEW,)))


def test_a_conversation_from_the_question_to_the_answer() -> None:
    items: list[Any] = [
        ASKED, acted(LOOK, READ, text="Hm. "), LOOKED, observed(READ, Failed(error="action", message="no")),
        acted(Answer(text="2")),
    ]  # fmt: skip
    system, asked, said, looked, read, shown, answer = conversation(
        items, style(preface="Be kind.")
    )
    assert isinstance(system, System)
    assert system.text.startswith("Be kind.\n\n")
    assert asked == User((WHOLE, "How many?"))
    assert isinstance(said, Said)
    assert said.text == "Hm. "
    assert [(call.id, call.name) for call in said.calls] == [
        ("call00100", "look"),
        ("call00101", "read"),
    ]
    assert json.loads(said.calls[0].arguments) == {"box": [100, 100, 500, 500], "object": None}
    assert looked == Result(
        "call00100", "closer look at [83, 100, 250, 300]: see the picture below"
    )
    assert read == Result("call00101", "error: no")
    assert shown == User(("closer look at [83, 100, 250, 300]:", CROP))
    assert answer == Said("2")


def test_the_same_in_text() -> None:
    items: list[Any] = [
        ASKED,
        acted(LOOK),
        LOOKED,
        Noted(text="Now answer."),
        acted(Answer(text="2")),
    ]
    _, _, said, told, answer = conversation(items, style(tools=False))
    assert said == Said("<|look_start|>[100, 100, 500, 500]<|look_end|>")
    assert told == User(("closer look at [83, 100, 250, 300]:", CROP, "\nNow answer."))
    assert answer == Said("2")


def test_a_correction_is_told_as_an_error() -> None:
    items: list[Any] = [ASKED, Acted(text="look({"), Noted(text="no JSON", error=True)]
    assert conversation(items, style())[2:] == [Said("look({"), User(("error: no JSON",))]


def test_a_call_whose_result_is_withheld_has_one_all_the_same() -> None:
    for after in ([], [acted(Answer(text="2"))]):
        messages = conversation([ASKED, acted(LOOK, READ), LOOKED, *after], style())
        results = [message for message in messages if isinstance(message, Result)]
        assert [result.text[:7] for result in results] == ["closer ", "There i"]


def test_a_schema_follows_the_question() -> None:
    asked = ASKED.model_copy(update={"answer_schema": '{"type": "integer"}'})
    (_, question) = conversation([asked], style())
    assert isinstance(question, User)
    assert str(question.parts[1]).startswith("How many?\n\nGive your final answer as JSON")
    assert '{"type": "integer"}' in str(question.parts[1])


@pytest.mark.parametrize(("turn", "number"), [(1, 0), (999, 99), (1000, 100)])
def test_names_of_calls_are_what_the_strictest_server_wants(turn: int, number: int) -> None:
    assert len(call_id(turn, number)) == 9
    assert call_id(turn, number).isalnum()


PLACES = st.one_of(
    st.builds(Object, index=st.integers(1, 16)),
    st.builds(
        lambda x0, y0, dx, dy: Area(
            x0=x0 / 1000, y0=y0 / 1000, x1=(x0 + dx) / 1000, y1=(y0 + dy) / 1000
        ),
        *[st.integers(2, 500)] * 4,
    ),
)
ACTIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Look, target=PLACES),
    st.builds(Segment, target=PLACES),
    st.builds(Read, target=st.none() | PLACES),
    st.builds(Depth, targets=st.lists(PLACES, max_size=3).map(
        lambda places: tuple(sorted(places, key=lambda place: isinstance(place, Object))))),
    st.builds(Detect, phrase=st.sampled_from(["red cube", "a . b"])),
    st.builds(Reencode, encoder=st.sampled_from(["clip", "seg"])),
)  # fmt: skip


@given(ACTIONS)
def test_arguments_are_the_inverse_of_actions(action: Any) -> None:
    arguments = json.dumps(arguments_of(action, FRAME))
    assert action_of(action.kind, arguments, "thousand", SIZE, range(1, 17)) == action


@pytest.mark.parametrize(
    ("convention", "shown", "numbers", "target"),
    [
        ("thousand", SIZE, [100, 100, 500, 500], Area(x0=0.1, y0=0.1, x1=0.5, y1=0.5)),
        ("pixels", (560, 420), [56, 42, 280, 210], Area(x0=0.1, y0=0.1, x1=0.5, y1=0.5)),
        ("grid", SIZE, [1, 2, 3, 4], Region(x0=1, y0=2, x1=3, y1=4)),
    ],
)
def test_arguments_in_each_convention(
    convention: Convention, shown: tuple[int, int], numbers: list[int], target: Any
) -> None:
    """Pixels are those of the picture that was sent, not of the original."""
    arguments = {"box": numbers, "object": None}
    action = action_of("look", arguments, convention, shown, ())
    assert action == Look(target=target)
    assert arguments_of(action, Frame(convention, SIZE, shown)) == arguments


SEEN: st.SearchStrategy[Any] = st.sampled_from(
    [Detected(phrase="x"), Looked(views=(VIEW,)), Failed(error="specialist", message="no")]
)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Any]:
    """What a run may come to: turns with calls and their results, turns that cannot be read, notes."""
    items: list[Any] = [ASKED]
    for _ in range(draw(st.integers(0, 5))):
        actions = draw(st.lists(ACTIONS, max_size=3))
        items.append(acted(*actions, text=draw(st.sampled_from(["", "Hm. ", "<|x"]))))
        items += [observed(action, draw(SEEN)) for action in actions]
        items += [Noted(text="n", error=draw(st.booleans()))] * draw(st.integers(0, 2))
    return items


@given(transcripts(), st.booleans())
def test_a_longer_transcript_gives_the_same_messages_and_more(
    items: list[Any], tools: bool
) -> None:
    """At every point at which a request is sent: before a turn of the model."""
    ends = [number for number, item in enumerate(items) if isinstance(item, Acted)] + [len(items)]
    sent = [conversation(items[:end], style(tools)) for end in ends]
    for before, after in pairwise(sent):
        assert after[: len(before)] == before
        assert len(after) > len(before)


@given(transcripts())
def test_every_call_has_one_result_and_every_result_a_call(items: list[Any]) -> None:
    messages = conversation(items, style())
    calls = [call.id for message in messages if isinstance(message, Said) for call in message.calls]
    assert len(set(calls)) == len(calls)
    assert [message.call for message in messages if isinstance(message, Result)] == calls
    for before, after in pairwise(messages):
        assert not (isinstance(before, User) and isinstance(after, User)), "one reply for a turn"
