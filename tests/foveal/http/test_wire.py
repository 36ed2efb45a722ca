"""Whatever a client sends, it is a question or it is refused; nothing else happens."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.errors import InputError
from foveal.graphs.budgets import Budgets
from foveal.http.question import Menu, Question, asked
from foveal.http.refusals import Refusal
from foveal.http.wire import ChatRequest

MENU = Menu("embedded")
URL = "data:image/png;base64,AAAA"

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)
roles = st.sampled_from(["system", "developer", "user", "assistant", "tool"])
texts = st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=9)})
urls = st.fixed_dictionaries({"url": st.sampled_from([URL, "http://x/y", "/x", ""])})
images = st.fixed_dictionaries({"type": st.just("image_url"), "image_url": urls | anything})
contents = st.text(max_size=9) | st.lists(texts | images | anything, max_size=3) | anything
messages = st.fixed_dictionaries({"role": roles, "content": contents})
fields = st.sampled_from([*ChatRequest.model_fields, "other"])


@given(st.lists(messages, max_size=4), st.dictionaries(fields, anything, max_size=2))
def test_any_body_is_a_question_or_refused(talk: Any, more: Any) -> None:
    body = {"model": "embedded", "messages": talk} | more
    with suppress(Refusal, InputError):
        assert isinstance(asked(json.dumps(body).encode(), MENU), Question)


@given(st.binary(max_size=40))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        asked(data, MENU)
    assert caught.value.status == 400


def question(*talk: tuple[str, Any], **more: Any) -> Question:
    listed = [{"role": role, "content": content} for role, content in talk]
    return asked(json.dumps({"model": "embedded", "messages": listed} | more).encode(), MENU)


def shown(text: str, url: str = URL) -> list[Any]:
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]


def test_a_dialogue_is_taken_apart() -> None:
    found = question(
        ("system", "Be brief."),
        ("assistant", "How can I help?"),
        ("user", shown("How many?", "http://a/old.png")),
        ("assistant", "Two."),
        ("developer", "In French."),
        ("user", shown("And here?")),
        ("user", "Hello?"),
        ("assistant", ""),
        ("assistant", "Three."),
        ("user", "Sure?"),
        ("user", "Really?"),
    )
    assert found.earlier == (("How many?", "Two."), ("And here?\nHello?", "Three."))
    assert found.text == "Sure?\nReally?"
    assert found.wishes == "Be brief.\n\nIn French."
    assert found.images == (URL,)


@pytest.mark.parametrize(
    ("tokens", "budgets"),
    [
        ({}, (4096, 256)),
        ({"max_tokens": 100}, (0, 100)),
        ({"max_completion_tokens": 1000, "max_tokens": 5}, (744, 256)),
        ({"max_completion_tokens": 10**9}, (4096, 256)),
    ],
)
def test_a_limit_on_tokens_holds_for_all_turns(
    tokens: dict[str, int], budgets: tuple[int, int]
) -> None:
    found = question(("user", shown("How many?")), **tokens).budgets
    assert (found.new_tokens, found.answer_tokens) == budgets
    assert found.hops == Budgets().hops


@pytest.mark.parametrize(
    "usual",
    [
        {"n": 1, "temperature": 0.0, "top_p": 1.0, "seed": 3, "stop": [], "tools": []},
        {"n": None, "temperature": 1, "stop": None, "logprobs": False, "logit_bias": {}},
        {"user": "me", "metadata": {"a": "b"}, "store": False, "modalities": ["text"]},
        {"presence_penalty": 0, "frequency_penalty": 0.0, "tool_choice": "auto"},
        {"service_tier": "auto", "parallel_tool_calls": True, "stream_options": None},
        {"response_format": {"type": "text"}, "foveal": {"tools": ["look"], "gate": 0.5}},
    ],
)
def test_what_clients_send_as_a_matter_of_course_is_accepted(usual: dict[str, Any]) -> None:
    assert question(("user", shown("How many?")), **usual).text == "How many?"
