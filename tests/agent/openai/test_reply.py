"""Turns put together from pieces as servers send them, with the numbers and names of calls that they use."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response

from foveal.agent.openai.chat import ChatCompletions
from foveal.agent.openai.reply import Call, Counts, Reply, with_inline_calls, without_inline_calls
from foveal.agent.openai.responses import Responses

Piece = tuple[int | None, str, str, str]
"""Number, name, arguments and id, as one delta has them."""


def ignore(text: str) -> None:
    assert isinstance(text, str)


async def read(*choices: Any, usage: Any = None) -> Reply:
    """Chunks, given as their choices, as the client hands them on."""

    async def chunks() -> Any:
        for choice in choices:
            yield ChatCompletionChunk.construct(id="c", choices=choice, usage=None)
        yield ChatCompletionChunk.construct(id="c", choices=[], usage=usage)

    reply = Reply()
    await ChatCompletions().read(chunks(), reply, ignore)
    return reply


A, B = '{"phrase": "a"}', '{"phrase": "b"}'
TWO = [("detect", A), ("detect", B)]


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param([(0, "detect", "", "x"), (0, "", A[:4], ""), (0, "", A[4:], ""),
                      (1, "detect", "", "y"), (1, "", B, "")], TWO, id="OpenAI, vLLM"),
        pytest.param([(0, "detect", A, "x"), (0, "detect", B, "y")], TWO, id="all are 0 (Ollama)"),
        pytest.param([(0, "detect", A, ""), (0, "detect", B, "")], TWO, id="all are 0, without names"),
        pytest.param([(None, "detect", A, "x"), (None, "detect", B, "y")], TWO, id="none is numbered"),
        pytest.param([(1, "detect", A, "x"), (2, "detect", B, "y")], TWO, id="counted from 1"),
        pytest.param([(1, "detect", A[:3], ""), (1, "", A[3:], "")], TWO[:1], id="from 1, in pieces"),
        pytest.param([(0, "detect", A[:3], "x"), (0, "detect", A[3:], "x")], TWO[:1], id="the name again"),
        pytest.param([(0, "detect", A[:3], "x"), (1, "detect", B, "y"), (0, "", A[3:], "")], TWO,
                     id="interleaved"),
        pytest.param([(0, "detect", A[:3], "")], [("detect", A[:3])], id="half of one"),
        pytest.param([(0, "", A, "x")], [("", A)], id="no function's name"),
    ],
)  # fmt: skip
def test_calls_in_pieces(pieces: list[Piece], calls: list[tuple[str, str]]) -> None:
    reply = Reply()
    for index, name, arguments, id in pieces:
        reply.call(index, name, arguments, id)
    assert [(call.name, call.arguments) for call in reply.calls] == calls
    assert reply.pieces == len(pieces)


def test_confidence_is_that_of_the_least_certain_token() -> None:
    unsure, reply = Reply(), Reply()
    unsure.sure([])
    unsure.sure([None])
    assert unsure.confidence is None
    reply.sure([-0.1, None, -2.0])
    reply.sure([-1.0])
    assert reply.confidence == pytest.approx(0.1353, abs=1e-4)
    reply.sure([-9999.0])
    assert reply.confidence == 0.0
    certain = Reply()
    certain.sure([0.0, 1e-9])
    assert certain.confidence == 1.0


async def test_chunks_with_everything_missing() -> None:
    assert (await read([], [{"index": 0}], [{"delta": None}], [{"delta": {}}], None)).empty
    reply = await read(
        [{"delta": {"tool_calls": [{}]}}], [{"delta": {"tool_calls": [{"function": None}]}}]
    )
    assert [(call.name, call.arguments) for call in reply.calls] == [("", "")]


async def test_thoughts_are_noticed_under_both_of_their_names() -> None:
    for name in ("reasoning_content", "reasoning"):
        reply = await read([{"delta": {name: "hm"}}])
        assert reply.thought
        assert reply.text == ""
    told = {"prompt_tokens": 1, "completion_tokens": 9,
            "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
    assert (await read([{"delta": {"content": "2"}}], usage=told)).thought


async def test_counts() -> None:
    told: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}
    assert (await read(usage=told)).spent == Counts(prompt=100, written=9)
    told["prompt_tokens_details"] = {"cached_tokens": 64, "image_tokens": 50}
    assert (await read(usage=told)).spent == Counts(prompt=100, cached=64, written=9, pictures=50)
    told["prompt_tokens_details"] = None
    reply = await read([{"delta": {"content": "2"}}], usage=told)
    reply.lost = 3
    assert reply.spent.written == 12, "what was sent in vain was written, too"
    assert (
        await read([{"delta": {"content": "2"}}], [{"delta": {"content": "3"}}])
    ).spent.written == 2


async def test_a_whole_response_is_read_as_a_streamed_one() -> None:
    output: list[Any] = [
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "sealed", "status": "completed"},
        {"type": "message", "content": [{"type": "output_text", "text": "I look.",
                                         "logprobs": [{"logprob": -0.5}]}, {"type": "refusal", "refusal": "No."}]},
        None,
        {"type": "function_call", "call_id": "x", "name": "detect", "arguments": A},
    ]  # fmt: skip
    usage = {"input_tokens": 5, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}
    reply = Reply()
    response = Response.construct(status="completed", output=output, usage=usage)
    await Responses().read(response, reply, ignore)
    assert (reply.text, reply.finish, reply.thought) == ("I look.No.", "stop", True)
    assert [(call.id, call.name, call.arguments) for call in reply.calls] == [("x", "detect", A)]
    assert reply.spent == Counts(prompt=5, cached=2, written=3)
    assert reply.confidence == pytest.approx(0.6065, abs=1e-4)
    assert reply.thoughts == [
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "sealed"}
    ]


async def test_what_is_no_answer_at_all() -> None:
    for wire in (ChatCompletions(), Responses()):
        reply = Reply()
        await wire.read("<html>", reply, ignore)
        assert (reply.finish, reply.empty) == ("", True)


@pytest.mark.parametrize(
    ("text", "calls", "rest"),
    [
        ('<tool_call>{"name": "read", "arguments": {"box": null}}</tool_call>',
         [("read", {"box": None})], ""),
        ('a <tool_call>\n{"name": "read"}\n</tool_call>\n'
         '<tool_call>{"name": "look", "arguments": {}}</tool_call> b',
         [("read", {}), ("look", {})], "a \n b"),
        ("no call", [], "no call"),
        (" <tool_call>never closed", [], " <tool_call>never closed"),
        ('<think><tool_call>{"name": "read"}</tool_call></think>2', [], "<think></think>2"),
    ],
)  # fmt: skip
def test_calls_in_the_text(text: str, calls: list[tuple[str, Any]], rest: str) -> None:
    reply = with_inline_calls(Reply(text=text))
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == calls
    assert reply.inline == bool(calls)
    assert without_inline_calls(text) == rest


def test_real_calls_are_not_looked_for_in_the_text() -> None:
    reply = Reply(text='<tool_call>{"name": "read"}</tool_call>', calls=[Call("look", "{}")])
    assert [call.name for call in with_inline_calls(reply).calls] == ["look"]
