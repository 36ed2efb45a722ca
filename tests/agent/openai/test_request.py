"""What is learnt of a server from its refusals: the field that it names first, or that it takes no tools."""

from typing import Any

import pytest

from foveal.agent.openai.request import Manners, Offer, is_refusal, trimmed

BODY: dict[str, Any] = {
    "model": "tiny", "max_tokens": 5, "temperature": 0, "logprobs": True, "stream": True,
    "stream_options": {}, "messages": [{"role": "user", "content": [{"type": "image_url", "uuid": "x"}]}],
    "tools": [{"type": "function", "function": {"name": "look", "strict": True}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "learnt"),
    [
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            {"max_tokens"},
        ),
        ("unknown field `stream_options`", {"stream_options"}),
        ("temperature must be 1; logprobs are fine", {"temperature"}),
        ("tools.0.function.strict: Extra inputs are not permitted", {"strict"}),
        ("messages.0.content.0.uuid is unknown", {"uuid"}),
        ("store is not known", set()),  # nobody sent it
        ("the upstream is streaming", set()),  # other words
    ],
)
def test_a_field_that_is_named(message: str, learnt: set[str]) -> None:
    manners = Manners()
    assert manners.learn(message, BODY) == bool(learnt)
    assert manners.omitted == learnt
    assert manners.tools


def test_no_tools() -> None:
    manners = Manners()
    assert manners.learn("this model does not support tools", BODY)
    assert not manners.tools
    assert manners.learn("this model does not support tools", BODY), "learnt by another session"
    assert not manners.learn("this model does not support tools", {"model": "tiny"})


@pytest.mark.parametrize("body", [{"response_format": {}}, {"text": {}}])
def test_no_schema(body: dict[str, Any]) -> None:
    manners = Manners()
    assert manners.learn("json_schema is not supported", body)
    assert manners.omitted == {"response_format"}
    assert not manners.learn("json_schema is not supported", {})


def test_every_refusal_ends() -> None:
    """A server that refuses whatever it is sent, naming all of it, is not asked for ever."""
    manners, body, asked = Manners(), dict(BODY), 0
    while manners.learn("tools response_format " + " ".join(body), body):
        asked += 1
        body = trimmed(BODY, frozenset(manners.omitted))
        if not manners.tools:
            body.pop("tools", None)
    assert asked <= len(BODY) + 1


def test_what_is_left_out() -> None:
    assert trimmed(BODY, frozenset()) == BODY
    without = trimmed(BODY, frozenset({"max_tokens", "stream", "logprobs"}))
    assert without.keys() == BODY.keys() - {
        "max_tokens",
        "stream",
        "stream_options",
        "logprobs",
    } | {"max_completion_tokens"}


def test_tools_stay_while_they_may_not_be_called() -> None:
    tools = [{"type": "function"}]
    free, forced = Offer("tiny", tools, False, 5), Offer("tiny", tools, True, 5)
    assert free.choice(tools) == {"tools": tools}
    assert forced.choice(tools) == {"tools": tools, "tool_choice": "none"}
    deaf = Offer("tiny", tools, True, 5, omitted=frozenset({"tool_choice"}))
    assert deaf.choice(tools) == {}
    assert free.choice([]) == {}


def test_what_passes_by_itself_is_no_refusal() -> None:
    assert is_refusal("Unsupported param: tools")
    assert is_refusal("image input is not supported - hint: provide the mmproj")
    assert not is_refusal("the image queue is full")
    assert not is_refusal("unsupported CPU")


def test_what_is_learnt_twice_is_asked_for_once() -> None:
    manners = Manners()
    assert manners.disobeyed()
    assert not manners.disobeyed()
    assert manners.thought()
    assert not manners.thought()
