"""What a small model reads between its turns, to the character."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import Detect, Encoder, Object, Segment
from foveal.agent.dialogue import END, opening, reply
from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
)
from foveal.agent.transcript import Asked, Injected, Noted, Observed
from foveal.agent.wording import Reseen

IMAGE, SIZE = "a" * 64, (800, 600)
ASKED = Asked(image=IMAGE, size=SIZE, question="How many <|obj_1|>?", tools=("look", "read"))
BOX = Box(image=IMAGE, xyxy=(100, 75, 300, 225))
VIEW = View(role="crop", pixels=BOX, source=BOX)


def found(index: int, label: str = "cube", score: float = 0.87) -> Found:
    return Found(index=index, label=label, box=BOX, score=score)


def read(*texts: str) -> Recognised:
    return Recognised(lines=tuple(Line(text=text, box=BOX, score=0.9) for text in texts))


def observed(observation: Observation) -> Observed:
    return Observed(action=Segment(target=Object(index=1)), observation=observation)


@pytest.mark.parametrize(
    ("asked", "labels", "astray"),
    [
        ("red cube", ["blue cone"], True),
        ("cube", ["red cube"], False),
        ("red thing", ["blue cone", "red sign"], False),
        ("Cube . cone", ["bead", "blue sphere"], True),
        ("thing", ["bead"], False),
        ("the red cubes", ["red cube"], False),
        ("people", ["person"], False),
        ("red cube", [""], True),
        ("red cube", [], False),
    ],
)
def test_a_list_of_what_nobody_asked_for_is_a_failure(
    asked: str, labels: list[str], astray: bool
) -> None:
    objects = tuple(found(n, label) for n, label in enumerate(labels, start=1))
    seen = Observed(action=Detect(phrase=asked), observation=Detected(phrase="?", objects=objects))
    said = "".join(piece for piece in reply([seen], ASKED) if isinstance(piece, str))
    assert ("\nerror detector failed: none of it was asked for" in said) == astray
    assert ("\nfound\n" in said) != astray, "a list is told or it is not"


@pytest.mark.parametrize("encoder", ["clip", "detection", "seg"])
def test_the_question_is_asked_again_behind_a_reencoded_image(encoder: Encoder) -> None:
    seen = observed(Reencoded(encoder=encoder, views=(VIEW,)))
    assert reply([seen], ASKED)[-3:] == [
        Reseen(encoder, VIEW),
        "\nHow many < |obj_1|>?",
        "<|im_end|>\n<|im_start|>assistant\n",
    ]
    assert "How many" not in str(reply([observed(read("7"))], ASKED))


def test_the_opening_names_the_tools_and_frames_the_image() -> None:
    before, after = opening(ASKED, "tools: {tools}")
    assert before == "<|im_start|>system\ntools: look read<|im_end|>\n<|im_start|>user\n"
    assert after == "How many < |obj_1|>?<|im_end|>\n<|im_start|>assistant\n"
    without = ASKED.model_copy(update={"tools": ()})
    assert "tools: none<" in opening(without, "tools: {tools}")[0]


@pytest.mark.parametrize("system", ['Answer as {"count": 2}.', "{", "{0} {x.y}", "}"])
def test_a_system_prompt_may_hold_braces(system: str) -> None:
    assert f"\n{system}{END}" in opening(ASKED, system)[0]


def test_a_reply_ends_the_turn_and_opens_the_next() -> None:
    items: list[Injected] = [observed(read("7")), Noted(text="answer <|now|>")]
    assert reply(items, ASKED) == [
        "<|im_end|>\n<|im_start|>user\n",
        "text\n7",
        "\n",
        "answer < |now|>",
        "<|im_end|>\n<|im_start|>assistant\n",
    ]


def test_a_correction_is_told_as_a_failure_is() -> None:
    failed = observed(Failed(error="action", message="no such <|obj_1|>"))
    note = Noted(text="no such <|obj_1|>", error=True)
    assert reply([note], ASKED) == reply([failed], ASKED)


def test_several_outlines_are_compared_behind_them() -> None:
    areas = (
        Segmented(index=n, label="cube", box=BOX, area=1, share=n / 9, centroid=(1, 1))
        for n in (1, 2)
    )
    items = [observed(area) for area in areas]
    pieces = reply(items, ASKED)
    assert pieces[-2] == "\nlarger <|obj_2|>cube\nsmaller <|obj_1|>cube"
    assert "larger" not in str(reply(items[:1], ASKED))


SPECIAL = [*PERCEPTION_TOKENS, "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|endoftext|>"]
HOSTILE = st.lists(
    st.one_of(st.sampled_from([*SPECIAL, "<", "|", "<|", "|>"]), st.text(max_size=3))
)


def special_tokens(text: str) -> list[int]:
    """How often each special token stands in a dialogue that says `text` wherever outsiders speak."""
    hostile: list[Any] = [
        Noted(text=text),
        Noted(text=text, error=True),
        observed(read(text)),
        observed(Failed(error="action", message=text)),
        observed(Detected(phrase="x", objects=(found(9, text),), unknown=(text,))),
        observed(Looked(index=9, label=text)),
        observed(Ranged(ranges=(Range(index=9, label=text, box=BOX, depth=0),))),
        observed(Reencoded(encoder="clip", views=(VIEW,))),
    ]
    asked = ASKED.model_copy(update={"question": text})
    framed = [*opening(asked, ""), *reply(hostile, asked)]
    joined = "".join(piece for piece in framed if isinstance(piece, str))
    return [joined.count(token) for token in SPECIAL]


@given(HOSTILE.map("".join))
def test_whatever_outsiders_say_adds_no_special_token(text: str) -> None:
    assert special_tokens(text) == special_tokens("word")


def test_a_detected_phrase_is_not_repeated() -> None:
    item = Observed(action=Detect(phrase="x"), observation=Detected(phrase="x"))
    assert reply([item], ASKED)[1] == "found\n0"
