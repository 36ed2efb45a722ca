"""What is new in a prompt, and when all of it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from jinja2 import TemplateError

from foveal.agent.chat.prompt import Conversation, Message, after

PICTURE, OTHER = np.zeros((4, 4, 3), np.uint8), np.ones((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("beginning", "whole", "rest"),
    [
        ("user: hi", "user: hi there", " there"),
        ("user: hi", "user: hi", ""),
        ("", "user", "user"),
        ("assistant\nyes", "assistant \nyes<end>", "<end>"),
        ("Assistant:yes", "Assistant: yes<end>\n", "<end>\n"),
        ("yes \n", "yes<end>", "<end>"),
        ("yes", "yes \n<end>", " \n<end>"),
        ("think: yes", "yes", None),
        ("yes", "ye", None),
        ("yes", "no", None),
        ("y e s", "yes!", "!"),
    ],
)
def test_what_follows_white_space_aside(beginning: str, whole: str, rest: str | None) -> None:
    assert after(beginning, whole) == rest


def words(message: Message) -> str:
    return "".join(
        "<img>" if part["type"] == "image" else part["text"] for part in message["content"]
    )


def plainly(messages: Sequence[Message]) -> str:
    """Every message on a line of its own."""
    return "".join(f"{m['role']}: {words(m)}\n" for m in messages) + "assistant: "


def forgetful(messages: Sequence[Message]) -> str:
    """Thoughts of the past are dropped, as reasoning models' templates do."""
    kept = [
        {**m, "content": [{"type": "text", "text": words(m).rpartition("</think>")[2]}]}
        if m["role"] == "assistant"
        else m
        for m in messages
    ]
    return plainly(kept)


def strict(messages: Sequence[Message]) -> str:
    """No system role, and turns that alternate."""
    if messages[0]["role"] == "system":
        raise TemplateError("System role not supported")
    return plainly(messages)


def silent(messages: Sequence[Message]) -> str:
    """What the system says is passed over."""
    return plainly([message for message in messages if message["role"] != "system"])


def quiet(text: str) -> str:
    return text.replace("<img>", "< img>")


def test_only_what_is_new_is_added() -> None:
    conversation = Conversation(plainly, quiet)
    first = conversation.open("be brief", [PICTURE, "how many?"])
    assert first.text == "system: be brief\nuser: <img>how many?\nassistant: "
    assert first.begins
    assert [id(picture) for picture in first.pictures] == [id(PICTURE)]
    second = conversation.reply("let me see", ["closer:", OTHER, "go on"])
    assert second.text == "\nuser: closer:<img>go on\nassistant: "
    assert not second.begins
    assert [id(picture) for picture in second.pictures] == [id(OTHER)]
    assert conversation.prompt == first.text + "let me see" + second.text
    assert [id(picture) for picture in conversation.whole.pictures] == [id(PICTURE), id(OTHER)]


def test_a_rewritten_past_makes_everything_new() -> None:
    conversation = Conversation(forgetful, quiet)
    conversation.open("", [PICTURE, "how many?"])
    again = conversation.reply("<think>hm</think>look", [OTHER])
    assert again.begins
    assert again.text == conversation.prompt
    assert "hm" not in again.text
    assert len(again.pictures) == 2
    assert not conversation.reply("two", ["sure?"]).begins, "what was not rewritten goes on"


@pytest.mark.parametrize("render", [strict, silent])
def test_rules_that_have_no_role_stand_before_the_question(render: Any) -> None:
    opened = Conversation(render, quiet).open("be brief", [PICTURE, "how many?"])
    assert opened.text == "user: be brief\n\n<img>how many?\nassistant: "


def test_a_template_that_cannot_say_it_at_all_is_told() -> None:
    def broken(messages: Sequence[Message]) -> str:
        raise TemplateError("no")

    with pytest.raises(TemplateError, match="no"):
        Conversation(broken, quiet).open("", ["?"])


def test_nothing_that_is_told_is_a_placeholder() -> None:
    conversation = Conversation(plainly, quiet)
    opened = conversation.open("no <img>", [PICTURE, "is <img> there?"])
    reply = conversation.reply("I said <img>", ["read: <img>"])
    assert opened.text.count("<img>") == len(opened.pictures) == 1
    assert "<img>" not in reply.text
    assert not reply.begins
