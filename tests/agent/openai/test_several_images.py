"""A question about two images, put to a server."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Look, PerceptionKind
from foveal.agent.errors import ActionError
from foveal.agent.observations import Box, Detected, Found
from foveal.agent.transcript import Asked, Observed, Original

TOOLS: tuple[PerceptionKind, ...] = ("look", "detect")
SIZES = {"a": (120, 90), "b": (300, 200)}
ASKED = Asked(
    image="a", size=SIZES["a"], more=(Original(image="b", size=SIZES["b"]),),
    question="Which one has more cups?", tools=TOOLS,
)  # fmt: skip
BOX = Box(image="b", xyxy=(0, 0, 150, 100))
FOUND = Detected(phrase="cup", objects=(Found(index=1, label="cup", box=BOX, score=0.9),))


class Gallery:
    """Two pictures."""

    def pixels(self, image: str) -> NDArray[np.uint8]:
        width, height = SIZES[image]
        return np.full((height, width, 3), ord(image), np.uint8)

    def array(self, key: str) -> NDArray[Any]:
        raise KeyError(key)


def called(body: dict[str, Any], api: str) -> list[dict[str, Any]]:
    """The parameters of every tool."""
    return [
        tool["parameters"] if api == "responses" else tool["function"]["parameters"]
        for tool in body["tools"]
    ]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_both_are_shown_with_their_numbers_and_may_be_named(
    server: Any, remote: Any, api: str
) -> None:
    calls = [("detect", {"image": 2, "phrase": "cup"})]
    server.answers(server.turn(calls=calls), server.turn("The second."))
    session = await remote(api=api).open([ASKED], Gallery())
    turn = await session.act(TOOLS, 50)
    assert turn.actions == (Detect(phrase="cup", image=2),)
    assert turn.text == "<|detect_start|><|img_2|>cup<|detect_end|>"
    await session.observe([Observed(action=turn.actions[0], observation=FOUND, image=2)])
    assert (await session.act(TOOLS, 50)).text == "The second."
    first, second = server.bodies
    messages = first["input"] if api == "responses" else first["messages"]
    parts = next(one["content"] for one in messages if one.get("role") == "user")
    kinds = [part["type"].removeprefix("input_") for part in parts]
    assert kinds in (
        ["text", "image_url", "text", "image_url", "text"],
        ["text", "image", "text", "image", "text"],
    )
    assert [part["text"] for part in parts if "text" in part["type"]] == [
        "image 1:", "image 2:", "Which one has more cups?",
    ]  # fmt: skip
    assert len({str(part) for part in parts if "image" in part["type"]}) == 2
    assert all(tool["required"][0] == "image" for tool in called(first, api))
    assert r"in image 2: \"cup\": 1 found" in json.dumps(second)


async def test_actions_in_text_name_an_image_as_well(server: Any, remote: Any) -> None:
    server.answers(server.turn("<|look_start|><|img_2|>[0, 0, 150, 100]<|look_end|>"))
    session = await remote(tool_calls=False, convention="pixels").open([ASKED], Gallery())
    (action,) = (await session.act(TOOLS, 50)).actions
    assert isinstance(action, Look)
    assert action.image == 2
    assert "<|detect_start|><|img_2|>" in server.bodies[0]["messages"][0]["content"]


async def test_an_image_that_is_not_there_is_the_models_error(server: Any, remote: Any) -> None:
    server.answers(server.turn(calls=[("detect", {"image": 3, "phrase": "cup"})]))
    session = await remote().open([ASKED], Gallery())
    with pytest.raises(ActionError, match="there is no image 3; the question came with 2 images"):
        await session.act(TOOLS, 50)


async def test_a_conversation_is_rebuilt_to_the_character(server: Any, remote: Any) -> None:
    calls = [("look", {"image": 2, "box": [0, 0, 500, 500], "object": None})]
    server.answers(server.turn(calls=calls), server.turn("a"), server.turn("b"))
    session = await remote().open([ASKED], Gallery())
    turn = await session.act(TOOLS, 50)
    seen = Observed(action=turn.actions[0], observation=FOUND, image=2)
    await session.observe([seen])
    await session.act(TOOLS, 50)
    again = await remote().open([ASKED, turn, seen], Gallery())
    await again.act(TOOLS, 50)
    _, before, after = server.bodies
    assert before["messages"][:2] == after["messages"][:2]
    ours, theirs = (one["messages"][2]["tool_calls"][0]["function"] for one in (before, after))
    assert ours["name"] == theirs["name"] == "look"
    assert '"image": 2' in theirs["arguments"]
    assert before["messages"][3]["content"] == after["messages"][3]["content"]
