"""Questions through the door, answered by a model that recites."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from foveal.agent.actions import PERCEPTIONS
from foveal.http.app import Door
from foveal.http.question import Menu

RED = "<|detect_start|>red cube<|detect_end|>"
CHAT = "/v1/chat/completions"
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "count",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "colour": {"type": "string"}},
            "required": ["count", "colour"],
        },
    },
}


def events(text: str) -> list[Any]:
    """The JSON of a stream, which must end as OpenAI's do."""
    told = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    assert told.pop() == "[DONE]"
    return [json.loads(line) for line in told]


def joined(chunks: list[Any], field: str) -> str:
    """A field of the message, put together."""
    return "".join(
        choice["delta"].get(field) or "" for chunk in chunks for choice in chunk["choices"]
    )


async def test_an_answer_comes_with_what_it_rests_on(
    reciting: Any, door: Any, visit: Any, body: Any, lines: list[str]
) -> None:
    async with visit(door(reciting(RED, "2"))) as client:
        reply = await client.post(CHAT, json=body())
    assert reply.status_code == 200
    said = reply.json()
    choice = said["choices"][0]
    assert (said["object"], said["model"]) == ("chat.completion", "embedded")
    assert choice["message"]["content"] == "2"
    assert choice["message"]["reasoning_content"].startswith('detect "red cube"\n  2 found\n')
    assert choice["finish_reason"] == "stop"
    assert said["usage"]["completion_tokens"] == 2
    foveal = said["foveal"]
    assert said["id"] == f"chatcmpl-{foveal['run']}"
    assert foveal["confidence"] == 0.93
    assert [piece["box"] for piece in foveal["evidence"]] == [[10, 10, 30, 30], [50, 10, 70, 30]]
    assert [hop["action"]["kind"] for hop in foveal["hops"]] == ["detect"]
    assert "trace" not in foveal
    assert f"run={foveal['run']} hops=1 ended_by=answer" in lines[-1]


async def test_no_line_holds_a_picture_or_a_question(
    reciting: Any, door: Any, visit: Any, body: Any, lines: list[str]
) -> None:
    async with visit(door(reciting("2"), token="secret")) as client:
        await client.post(CHAT, json=body(), headers={"Authorization": "Bearer secret"})
        await client.post(CHAT + "?key=secret", json=body(), headers={"Authorization": "Bearer no"})
    assert len(lines) == 2
    for hidden in ("base64", "red", "secret"):
        assert not any(hidden in line for line in lines)


async def test_a_stream_tells_every_hop_and_then_the_answer(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async with visit(door(reciting(RED, "2"))) as client:
        reply = await client.post(CHAT, json=body(**options))
    assert reply.headers["content-type"].startswith("text/event-stream")
    chunks = events(reply.text)
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert joined(chunks, "content") == "2"
    assert joined(chunks, "reasoning_content").startswith('detect "red cube"\n  2 found\n')
    told = [
        chunk["foveal"]["event"]["kind"] for chunk in chunks if "event" in chunk.get("foveal", {})
    ]
    assert told == ["started", "thought", "called", "returned", "thought"]
    *_, last, counted = chunks
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["foveal"]["answer"] == "2"
    assert (counted["choices"], counted["usage"]["completion_tokens"]) == ([], 2)


async def test_without_tools_the_answer_comes_as_it_is_written(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    options = {"stream": True, "foveal": {"tools": []}}
    async with visit(door(reciting("There are two cubes"))) as client:
        chunks = events((await client.post(CHAT, json=body(**options))).text)
    pieces = [
        c["choices"][0]["delta"]["content"]
        for c in chunks
        if c["choices"][0]["delta"].get("content")
    ]
    kinds = [next(iter(chunk.get("foveal", {})), "") for chunk in chunks]
    assert "".join(pieces) == "There are two cubes"
    assert kinds.index("event") < len(kinds) - 1


async def test_an_answer_that_fits_the_schema_is_json(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    answer = '{"count": 2, "colour": "red"}'
    async with visit(door(reciting(answer))) as client:
        whole = (await client.post(CHAT, json=body(response_format=SCHEMA))).json()
        text = (await client.post(CHAT, json=body(response_format=SCHEMA, stream=True))).text
    assert json.loads(whole["choices"][0]["message"]["content"]) == json.loads(answer)
    assert whole["foveal"]["value"] == {"count": 2, "colour": "red"}
    assert json.loads(joined(events(text), "content")) == json.loads(answer)


async def test_an_answer_that_does_not_fit_is_refused_not_passed_off(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    async with visit(door(reciting("two", "still two"))) as client:
        whole = (await client.post(CHAT, json=body(response_format=SCHEMA))).json()
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"].startswith("the answer does not fit the schema")
    assert whole["foveal"]["answer"] == "still two"


async def test_a_question_may_lower_what_the_server_allows_and_not_raise_it(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    backend = reciting(RED, RED.replace("red", "blue"), "2")
    menu = Menu("embedded", budgets=Menu("").budgets.model_copy(update={"hops": 1}))
    async with visit(door(backend, menu=menu)) as client:
        none = (await client.post(CHAT, json=body(foveal={"max_hops": 0}))).json()
        many = (await client.post(CHAT, json=body(foveal={"max_hops": 9}))).json()
    assert [said["foveal"]["usage"]["hops"] for said in (none, many)] == [0, 1]
    assert [said["foveal"]["ended_by"] for said in (none, many)] == ["hops", "hops"]


async def test_a_limit_on_tokens_ends_the_run_and_is_told(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    async with visit(door(reciting(RED, "2"))) as client:
        said = (await client.post(CHAT, json=body(max_completion_tokens=1))).json()
    assert said["foveal"]["ended_by"] == "new_tokens"
    assert said["choices"][0]["finish_reason"] == "length"


async def test_verification_is_passed_on(reciting: Any, door: Any, visit: Any, body: Any) -> None:
    async with visit(door(reciting(RED, "2"))) as client:
        said = (await client.post(CHAT, json=body(foveal={"verify": True}))).json()
    assert said["foveal"]["faithful"]["answer"] == "2"


async def test_several_pictures_are_one_question(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    content = body()["messages"][0]["content"]
    talk = [{"role": "user", "content": [*content, content[1]]}]
    async with visit(door(reciting("2"))) as client:
        reply = await client.post(CHAT, json=body(messages=talk, stream=True))
    started = next(
        c["foveal"]["event"] for c in events(reply.text) if "event" in c.get("foveal", {})
    )
    assert len(started["asked"]["more"]) == 1


def dialogue(body: Any) -> list[dict[str, Any]]:
    """A question that goes on with another, as clients send it."""
    return [
        {"role": "system", "content": "Answer with a number."},
        *body()["messages"],
        {"role": "assistant", "content": "2", "reasoning_content": "counted", "foveal": {}},
        {"role": "user", "content": "And blue ones?"},
    ]


async def test_a_follow_up_goes_on_with_what_was_said(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    async with visit(door(reciting("2", "0"))) as client:
        reply = await client.post(CHAT, json=body(stream=True, messages=dialogue(body)))
    chunks = events(reply.text)
    started = next(c["foveal"]["event"] for c in chunks if "event" in c.get("foveal", {}))
    assert started["asked"]["question"] == "And blue ones?"
    asked, acted = started["past"]
    assert asked["question"] == "Answer with a number.\n\nHow many red cubes?"
    assert asked["image"] == started["asked"]["image"]
    assert acted["text"] == "2"
    assert joined(chunks, "content") == "0"
    assert chunks[-1]["foveal"]["notes"] == []


def wrong(picture_url: str) -> dict[str, tuple[dict[str, Any], int, str | None, str]]:
    """Bodies that cannot be answered: what is changed, the status, the parameter, words of the reason."""

    def shown(url: str) -> dict[str, Any]:
        parts = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}]
        return {"messages": [{"role": "user", "content": parts}]}

    user, bot = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hi"}
    many = shown(picture_url)
    many["messages"][0]["content"] *= 17
    return {
        "unknown model": ({"model": "gpt-9"}, 404, "model", "no model 'gpt-9'"),
        "unknown field": ({"reasoning_effort": "low"}, 400, "reasoning_effort", "unknown parameter"),
        "temperature": ({"temperature": 0.7}, 400, "temperature", "0.7 is not supported"),
        "several answers": ({"n": 2}, 400, "n", "2 is not supported, only 1"),
        "stop words": ({"stop": ["."]}, 400, "stop", "not supported"),
        "tools of theirs": ({"tools": [{"type": "function"}]}, 400, "tools", "not supported"),
        "no messages": ({"messages": []}, 400, "messages", "at least 1"),
        "answer last": ({"messages": [user, bot]}, 400, "messages", "the last message is the assistant's"),
        "no image": ({"messages": [user]}, 400, "messages", "there is no image"),
        "no question": ({"messages": [{"role": "user", "content": " "}]}, 400, "messages", "is empty"),
        "tool message": ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages[0]", "'tool'"),
        "unknown part": (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            400, "messages[0].content[0]", "input_audio",
        ),
        "part without words": (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            400, "messages[0].content[0].text", "Field required",
        ),
        "a path": (shown("/etc/passwd"), 400, "messages", "no URL of an image"),
        "a file": (shown("file:///etc/passwd"), 400, "messages", "no URL of an image"),
        "private address": (shown("http://127.0.0.1:1/x.png"), 400, "messages", "private address"),
        "damaged": (shown("data:image/png;base64,iVBORw0KGgo="), 400, "messages", "image"),
        "no base64": (shown("data:image/png;base64,*"), 400, "messages", "base64"),
        "too many pictures": (many, 400, "messages", "17 images are too many"),
        "bad schema": (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "count"}}}},
            400, "response_format", "schema",
        ),
        "a tool that is not there": ({"foveal": {"tools": ["read"]}}, 400, "foveal.tools", "no tool 'read'"),
        "a gate that is none": ({"foveal": {"gate": 2}}, 400, "foveal.gate", "less than or equal to 1"),
        "a wish unknown": ({"foveal": {"hops": 2}}, 400, "foveal.hops", "unknown parameter"),
    }  # fmt: skip


@pytest.mark.parametrize("name", wrong("").keys())
async def test_what_cannot_be_had_is_refused_in_openais_words(
    name: str, picture_url: str, reciting: Any, door: Callable[..., Door], visit: Any, body: Any
) -> None:
    changes, status, param, words = wrong(picture_url)[name]
    menu = Menu("embedded", tuple(kind for kind in PERCEPTIONS if kind != "read"))
    async with visit(door(reciting("2"), menu=menu)) as client:
        reply = await client.post(CHAT, json=body(**changes))
        streamed = await client.post(CHAT, json=body(stream=True, **changes))
    for one in (reply, streamed):
        error = one.json()["error"]
        assert (one.status_code, error["param"]) == (status, param), error
        assert words in error["message"]
        assert error["type"] == "invalid_request_error"
