"""Conversations with servers, the odd ones too: what they send is read, and what they refuse is not sent again."""

import json
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image

from foveal.agent.actions import Answer, Area, Depth, Detect, Look, Object, PerceptionKind, Read
from foveal.agent.errors import ActionError, SetupError
from foveal.agent.model import Structured, Usage
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Looked,
    Observation,
    Recognised,
    View,
)
from foveal.agent.openai.model import OpenAIModel
from foveal.agent.transcript import Acted, Asked, Noted, Observed

IMAGE = "a" * 64
TOOLS: tuple[PerceptionKind, ...] = ("look", "detect", "segment", "depth", "read")
ASKED = Asked(image=IMAGE, size=(120, 90), question="How many red cubes?", tools=TOOLS)
DETECT = ("detect", {"phrase": "red cube"})
BOX = Box(image=IMAGE, xyxy=(12, 9, 60, 45))
FOUND = Detected(phrase="red cube", objects=(Found(index=1, label="red cube", box=BOX, score=0.9),))
VIEW = View(role="crop", pixels=BOX, source=BOX)

Remote = Callable[..., OpenAIModel]


def roles(body: dict[str, Any]) -> list[str]:
    """Who speaks, in Chat Completions."""
    return [message["role"] for message in body["messages"]]


async def test_a_call_comes_back_as_an_action_and_its_result_as_a_tool_message(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("I look.", [DETECT]), server.turn("One.", logprobs=[-0.1, -0.7]))
    session = await remote().open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    assert turn.actions == (Detect(phrase="red cube"),)
    assert turn.text == "I look.<|detect_start|>red cube<|detect_end|>"
    assert turn.confidence is None, "this server gave no probabilities"
    await session.observe([Observed(action=turn.actions[0], observation=FOUND)])
    turn = await session.act(TOOLS, 50)
    assert (turn.actions, turn.text) == ((Answer(text="One."),), "One.")
    assert turn.confidence == pytest.approx(0.4966, abs=1e-4), "of the least certain token"
    first, second = server.bodies
    assert roles(first) == ["system", "user"]
    assert roles(second) == ["system", "user", "assistant", "tool"]
    call, result = second["messages"][2]["tool_calls"][0], second["messages"][3]
    assert (call["id"], call["function"]["name"]) == (result["tool_call_id"], "detect")
    assert (
        result["content"]
        == '"red cube": 1 found\nobject 1 (red cube) [100, 100, 500, 500], score 0.90'
    )


async def test_the_question_carries_the_picture_and_every_action_is_a_strict_tool(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("2"))
    session = await remote(preface="Be brief.").open([ASKED], shelf)
    await session.act(TOOLS, 77)
    (body,) = server.bodies
    picture, question = body["messages"][1]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert "uuid" not in picture
    assert question == {"type": "text", "text": "How many red cubes?"}
    assert body["messages"][0]["content"].startswith("Be brief.\n\n")
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("tiny", 77, 0)
    assert [tool["function"]["name"] for tool in body["tools"]] == list(TOOLS)
    for tool in body["tools"]:
        function = tool["function"]
        assert function["strict"] is True
        assert function["parameters"]["additionalProperties"] is False
        assert set(function["parameters"]["required"]) == set(function["parameters"]["properties"])


async def test_boxes_in_pixels_are_those_of_the_picture_that_was_sent(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("", [("look", {"box": [28, 21, 56, 42], "object": None})]))
    session = await remote(convention="pixels").open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    url = server.bodies[0]["messages"][1]["content"][0]["image_url"]["url"]
    assert Image.open(BytesIO(b64decode(url.split(",")[1]))).size == (112, 84), "whole patches"
    assert turn.actions == (Look(target=Area(x0=0.25, y0=0.25, x1=0.5, y1=0.5)),)
    assert (
        "x from 0 (left) to 112, y from 0 (top) to 84" in server.bodies[0]["messages"][0]["content"]
    )


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_pictures_follow_the_results_in_a_message_of_the_user(
    server: Any, remote: Remote, shelf: Any, api: str
) -> None:
    calls = [DETECT, ("look", {"box": [100, 100, 500, 500], "object": None})]
    server.answers(server.turn("", calls), server.turn("One."))
    session = await remote(api=api).open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    assert turn.actions == (
        Detect(phrase="red cube"), Look(target=Area(x0=0.1, y0=0.1, x1=0.5, y1=0.5)),
    )  # fmt: skip
    await session.observe(
        [
            Observed(action=turn.actions[0], observation=FOUND),
            Observed(action=turn.actions[1], observation=Looked(views=(VIEW,))),
            Noted(text="Now answer the question."),
        ]
    )
    await session.act((), 50)
    body = server.bodies[1]
    items = body["messages" if api == "chat" else "input"]
    *before, last = items
    assert last["role"] == "user"
    kinds = [part["type"] for part in last["content"]]
    assert kinds == (
        ["text", "image_url", "text"] if api == "chat" else ["input_text", "input_image", "input_text"]
    )  # fmt: skip
    assert last["content"][2]["text"] == "Now answer the question."
    results = [item for item in before if item.get("role") == "tool" or "output" in item]
    assert len(results) == 2
    assert all(isinstance(item.get("content", item.get("output")), str) for item in results)
    assert "see the picture below" in json.dumps(results[1])


@pytest.mark.parametrize("way", ["chat", "responses", "text"])
async def test_every_request_begins_with_the_one_before(
    server: Any, remote: Remote, shelf: Any, way: str
) -> None:
    turns = [
        server.turn("", [DETECT]),
        server.turn("Closer.", [("look", {"box": None, "object": 1}), ("read", {})]),
        server.turn("", [("look", '{"box": [1, 2')]),
        server.turn("One."),
    ]
    if way == "text":
        spelled = ("<|detect_start|>red cube<|detect_end|>", "<|look_start|><|obj_1|><|look_end|>",
                   "<|look_start|>", "One.")  # fmt: skip
        turns = [server.turn(text) for text in spelled]
    server.recites(*turns)
    model = remote(api="responses" if way == "responses" else "chat", tool_calls=way != "text")
    session = await model.open([ASKED], shelf)
    replies: dict[str, Observation] = {
        "detect": FOUND,
        "look": Looked(views=(VIEW,)),
        "read": Recognised(),
    }
    for _ in range(4):
        try:
            turn = await session.act(TOOLS, 50)
        except ActionError as error:
            await session.observe([Noted(text=str(error), error=True)])
            continue
        seen = [
            Observed(action=action, observation=replies[action.kind])
            for action in turn.actions
            if action.kind != "answer"
        ]
        await session.observe(seen)
    bodies = server.bodies
    assert len(bodies) == 4
    for before, after in pairwise(bodies):
        sent = before.get("messages") or before["input"]
        assert (after.get("messages") or after["input"])[: len(sent)] == sent
        fixed = {key: value for key, value in before.items() if key not in ("messages", "input")}
        assert fixed.items() <= after.items(), "tools stand before the conversation in every prompt"


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_session_opened_on_the_transcript_sends_the_same(
    server: Any, remote: Remote, shelf: Any, api: str
) -> None:
    calls = [("look", {"box": [100, 100, 500, 500], "object": None}), ("depth", {"objects": [1]})]
    server.recites(server.turn("", [DETECT]), server.turn("Hm.", calls), server.turn("One."))
    model = remote(api=api)
    items: list[Any] = [ASKED]
    session = await model.open(items, shelf)
    seen_then: list[list[Observation]] = [
        [FOUND],
        [Looked(views=(VIEW,)), Failed(error="action", message="no")],
    ]
    for observations in seen_then:
        turn = await session.act(TOOLS, 50)
        news = [
            Observed(action=action, observation=seen)
            for action, seen in zip(turn.actions, observations, strict=True)
            if action.kind != "answer"
        ]
        items += [turn, *news]
        await session.observe(news)
    await session.act(TOOLS, 50)
    again = await model.open(items, shelf)
    await again.act(TOOLS, 50)
    live, rebuilt = server.bodies[-2:]
    for each in (live, rebuilt):
        each["said"] = json.loads(
            anonymous(json.dumps(each.pop("messages", each.pop("input", None))))
        )
    assert live == rebuilt


def anonymous(text: str) -> str:
    """A conversation with its calls numbered by where they stand: names are the server's or ours."""
    names = dict.fromkeys(
        item[name]
        for item in flat(json.loads(text))
        for name in ("id", "call_id", "tool_call_id")
        if name in item
    )
    for number, name in enumerate(names):
        text = text.replace(f'"{name}"', f'"call {number}"')
    # As JSON, whatever spaces and defaults the model wrote.
    return text.replace('{\\"objects\\": [1]}', '{\\"boxes\\": null, \\"objects\\": [1]}')


def flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [inner for one in value for inner in flat(one)]
    return [value, *flat(list(value.values()))] if isinstance(value, dict) else []


async def test_several_conversations_may_name_their_calls_alike(
    server: Any, remote: Remote, shelf: Any
) -> None:
    """Some servers count calls anew in every turn: results would go to the wrong ones."""
    server.answers(server.turn("", [DETECT]))
    session = await remote().open([ASKED], shelf)
    for _ in range(3):
        turn = await session.act(TOOLS, 50)
        await session.observe([Observed(action=turn.actions[0], observation=FOUND)])
    await session.act(TOOLS, 50)
    messages = server.bodies[-1]["messages"]
    names = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert len(set(names)) == 3
    assert [c["id"] for m in messages for c in m.get("tool_calls", ())] == names


async def test_what_a_server_adds_to_a_call_goes_back_with_it(
    server: Any, remote: Remote, shelf: Any
) -> None:
    """Gemini signs its calls, and refuses them unsigned."""
    signed = {"google": {"thought_signature": "c2lnbmVk"}}
    call = {"index": 0, "id": "x", "type": "function", "extra_content": signed,
            "function": {"name": "detect", "arguments": '{"phrase": "cube"}'}}  # fmt: skip
    chunks = [
        {
            "id": "c",
            "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "stop"}],
        }
    ]
    server.answers(server.raw(events=chunks), server.turn("1"))
    session = await remote().open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    await session.observe([Observed(action=turn.actions[0], observation=FOUND)])
    await session.act(TOOLS, 50)
    (back,) = server.bodies[1]["messages"][2]["tool_calls"]
    assert back["extra_content"] == signed


async def test_sealed_thoughts_go_back_with_the_turn(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("", [DETECT], thoughts="hm"), server.turn("1"))
    session = await remote(api="responses").open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    await session.observe([Observed(action=turn.actions[0], observation=FOUND)])
    await session.act(TOOLS, 50)
    first, second = server.bodies
    assert "reasoning.encrypted_content" in first["include"]
    assert first["store"] is False
    kinds = [item.get("type") for item in second["input"][2:]]
    assert kinds == ["reasoning", "function_call", "function_call_output"]
    assert second["input"][2]["encrypted_content"] == "sealed"


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([("look", '{"box": [1, 2')], r"look: its arguments are no JSON: .*\[1, 2"),  # half a JSON
        ([("fly", {})], "there is no tool 'fly'; there are: look, "),
        ([("", {})], "there is no tool ''"),
        ([("detect", {})], "detect, 'phrase': Field required"),
        ([("detect", {"phrase": 7})], "detect, 'phrase': Input should be a valid string"),
        ([("detect", {"phrase": "cube", "fast": True})], "detect, 'fast': Extra inputs"),
        ([("detect", '["cube"]')], "detect, 'arguments': Input should be"),
        ([("look", {"box": [0, 0, 5000, 10]})], "look: the box .* lies outside the image"),
        ([("look", {"object": 3})], "look: there is no object 3; none was found"),
        ([("look", {})], "look: it takes a box or an object, got neither"),
        ([("reencode", {"encoder": "clip"})], "reencode is not allowed here; allowed: look, detect"),
        ([DETECT, ("look", "}")], "look: its arguments are no JSON"),  # one good, one bad
        ([("detect", "[" * 100_000)], "detect: its arguments are no JSON"),
    ],
)  # fmt: skip
async def test_calls_that_cannot_be_carried_out_are_the_models_error(
    server: Any, remote: Remote, shelf: Any, calls: Any, reason: str
) -> None:
    server.answers(server.turn("I try.", calls), server.turn("2"))
    heard: list[str] = []
    session = await remote().open([ASKED], shelf)
    with pytest.raises(ActionError, match=reason) as caught:
        await session.act(TOOLS, 50, heard.append)
    await session.observe([Noted(text=str(caught.value), error=True)])
    assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)
    said, told = server.bodies[1]["messages"][2:]
    assert said == {"role": "assistant", "content": "".join(heard)}, "a bad call goes back as text"
    assert told["content"][0]["text"].startswith(f"error: {calls[-1][0]}"[:7])
    assert session.usage.emitted == 14, "what was in vain is counted"


async def test_actions_that_a_turn_does_not_allow(server: Any, remote: Remote, shelf: Any) -> None:
    server.answers(server.turn("", [("read", {})]))
    session = await remote().open([ASKED], shelf)
    with pytest.raises(ActionError, match="read is not allowed here; allowed: look"):
        await session.act(("look",), 50)


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_the_last_turn_is_text_only(
    server: Any, remote: Remote, shelf: Any, api: str
) -> None:
    server.answers(server.turn("2"))
    session = await remote(api=api).open([ASKED], shelf)
    await session.act((), 50)
    (body,) = server.bodies
    assert body["tool_choice"] == "none"
    assert len(body["tools"]) == len(TOOLS), "they stay, or nothing of the prompt was known before"


async def test_without_tools_none_are_sent(server: Any, remote: Remote, shelf: Any) -> None:
    server.answers(server.turn("2"))
    session = await remote().open([ASKED.model_copy(update={"tools": ()})], shelf)
    assert (await session.act((), 50)).actions == (Answer(text="2"),)
    assert not {"tools", "tool_choice"} & server.bodies[0].keys()


async def test_a_server_that_does_not_heed_tool_choice_is_asked_without_tools(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.script = lambda body: server.turn("", [DETECT]) if "tools" in body else server.turn("2")
    model = remote()
    session = await model.open([ASKED], shelf)
    assert (await session.act((), 50)).actions == (Answer(text="2"),)
    assert len(server.bodies) == 2
    other = await model.open([ASKED], shelf)
    await other.act((), 50)
    assert len(server.bodies) == 3, "that is known by now"
    assert (await other.act(TOOLS, 50)).actions == (Detect(phrase="red cube"),)


@pytest.mark.parametrize("way", ["chat", "responses", "text", "inline"])
async def test_a_model_that_goes_on_looking_is_urged_to_answer(
    server: Any, remote: Remote, shelf: Any, way: str
) -> None:
    looks = server.turn("", [DETECT])
    if way == "text":
        looks = server.turn("<|look_start|>[1, 1, 500, 500]<|look_end|>")
    elif way == "inline":
        looks = server.turn('<tool_call>{"name": "read", "arguments": {}}</tool_call>')
    server.script = lambda body: (
        server.turn("2") if "looking again is over" in json.dumps(body) else looks
    )
    model = remote(api="responses" if way == "responses" else "chat", tool_calls=way != "text")
    session = await model.open([ASKED, Acted(text="x"), Noted(text="Now answer.")], shelf)
    assert (await session.act((), 50)).actions == (Answer(text="2"),)
    before, last = server.bodies[0], server.bodies[-1]
    (*said, end), (*again, urged) = (
        each.get("messages") or each["input"] for each in (before, last)
    )
    assert said == again
    assert urged["content"][:-1] == end["content"], "the sentence stands at the very end"
    asked = len(server.bodies)
    await session.observe([Noted(text="Go on.")])
    await session.act((), 50)
    assert "looking again is over" not in json.dumps(server.bodies[asked]), "it is not kept"


async def test_a_model_that_looks_whatever_is_said_to_it(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("", [DETECT]))
    session = await remote().open([ASKED], shelf)
    with pytest.raises(ActionError, match="detect is not allowed here; allowed: none, answer now"):
        await session.act((), 50)
    assert len(server.bodies) == 3, "without tools, then in plain words"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),  # Ollama
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),  # vLLM
        (500, "tools param requires --jinja flag"),  # llama.cpp
        (500, "Unsupported param: tools"),  # llama.cpp, older
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),  # a template
    ],
)  # fmt: skip
async def test_a_server_without_tools_gets_the_grammar_in_text(
    server: Any, remote: Remote, shelf: Any, waits: list[float], status: int, message: str
) -> None:
    def script(body: Any) -> Any:
        if "tools" in body:
            return server.refusal(status, message)
        return server.turn("<|look_start|>[100, 100, 500, 500]<|look_end|>")

    server.script = script
    model = remote()
    session = await model.open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    assert turn.actions == (Look(target=Area(x0=0.1, y0=0.1, x1=0.5, y1=0.5)),)
    manual = server.bodies[1]["messages"][0]["content"]
    assert "<|look_start|>" in manual
    assert "<|look_start|>" not in server.bodies[0]["messages"][0]["content"]
    await session.observe([Observed(action=turn.actions[0], observation=Looked(views=(VIEW,)))])
    await session.act(TOOLS, 50)
    assert roles(server.bodies[2]) == ["system", "user", "assistant", "user"], "they alternate"
    assert [part["type"] for part in server.bodies[2]["messages"][3]["content"]] == [
        "text",
        "image_url",
    ]
    assert len(server.bodies) == 3, "it is not asked about tools again"
    assert not waits, "a refusal is not waited for"


async def test_a_profile_may_say_beforehand_that_there_are_no_tools(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("<|depth_start|><|obj_1|>[0, 0, 500, 500]<|depth_end|>"))
    session = await remote(tool_calls=False).open([ASKED], shelf)
    turn = await session.act(TOOLS, 50)
    assert turn.actions == (Depth(targets=(Object(index=1), Area(x0=0, y0=0, x1=0.5, y1=0.5))),)
    assert "tools" not in server.bodies[0]
    server.answers(server.turn("<|look_start|>[3]<|look_end|>"))
    with pytest.raises(ActionError, match="a box has four numbers, not 1"):
        await session.act(TOOLS, 50)


async def test_calls_that_a_server_left_in_the_text_are_calls(
    server: Any, remote: Remote, shelf: Any
) -> None:
    """As from vLLM and SGLang without the parser that fits the model."""
    said = 'Ok <tool_call>\n{"name": "read", "arguments": {"box": null}}\n</tool_call>'
    server.answers(server.turn(said), server.turn("EXIT"))
    heard: list[str] = []
    session = await remote().open([ASKED], shelf)
    turn = await session.act(TOOLS, 50, heard.append)
    assert turn.actions == (Read(),)
    assert turn.text == "".join(heard) == said
    await session.observe([Observed(action=turn.actions[0], observation=Recognised())])
    await session.act(TOOLS, 50)
    message = server.bodies[1]["messages"][2]
    assert message["content"] == "Ok"
    assert message["tool_calls"][0]["function"] == {"name": "read", "arguments": '{"box": null}'}


@pytest.mark.parametrize("call", ['{"name": "look"', '{"arguments": {}}', "{}", '{"name": ["x"]}'])
async def test_a_malformed_call_in_the_text_is_the_models_error(
    server: Any, remote: Remote, shelf: Any, call: str
) -> None:
    server.answers(server.turn(f"<tool_call>{call}}}</tool_call>"))
    session = await remote().open([ASKED], shelf)
    with pytest.raises(ActionError):
        await session.act(TOOLS, 50)


async def test_pictures_that_are_refused_are_said_to_be(
    server: Any, remote: Remote, shelf: Any
) -> None:
    for status, message in (
        (400, "facebook/opt-125m is not a multimodal model None"),  # vLLM
        (400, "this model does not support image input"),  # Ollama
        (
            500,
            "image input is not supported - hint: you may need to provide the mmproj",
        ),  # llama.cpp
        (404, "No endpoints found that support image input"),  # OpenRouter
        (400, "At most 1 image(s) may be provided in one prompt."),  # vLLM with its default limit
    ):
        server.answers(server.refusal(status, message))
        session = await remote(tool_calls=False).open([ASKED], shelf)
        with pytest.raises(SetupError, match="takes no such picture for 'tiny': ") as caught:
            await session.act(TOOLS, 50)
        assert message in caught.value.problem
        assert "vision model" in caught.value.cure


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
        ("logprobs", "logprobs are not supported with this model"),
        ("temperature", "Unsupported value: 'temperature' does not support 0 with this model."),
        ("stream", "Cannot use tools with stream"),
    ],
)
async def test_a_field_that_a_server_refuses_is_left_out_from_then_on(
    server: Any, remote: Remote, shelf: Any, field: str, message: str
) -> None:
    server.script = lambda body: (
        server.refusal(400, message) if field in body else server.turn("2", [])
    )
    model = remote()
    for _ in range(2):
        session = await model.open([ASKED], shelf)
        assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)
    assert [field in body for body in server.bodies] == [True, False, False]
    assert all("tools" in body for body in server.bodies)


async def test_the_limit_on_tokens_goes_by_two_names(
    server: Any, remote: Remote, shelf: Any
) -> None:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead."
    )
    server.script = lambda body: (
        server.refusal(400, message) if "max_tokens" in body else server.turn("2")
    )
    session = await remote().open([ASKED], shelf)
    await session.act(TOOLS, 50)
    assert server.bodies[1]["max_completion_tokens"] == 50


async def test_strict_schemas_are_given_up_where_nobody_knows_the_word(
    server: Any, remote: Remote, shelf: Any
) -> None:
    def script(body: Any) -> Any:
        strict = any("strict" in tool["function"] for tool in body["tools"])
        return (
            server.refusal(400, "Extra inputs: tools.0.function.strict")
            if strict
            else server.turn("2")
        )

    server.script = script
    session = await remote().open([ASKED], shelf)
    await session.act(TOOLS, 50)
    assert len(server.bodies) == 2
    assert "tools" in server.bodies[1]


async def test_pictures_have_stable_names_for_servers_that_know_them(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("2"))
    model = remote(image_ids=True)
    for _ in range(2):
        await (await model.open([ASKED], shelf)).act(TOOLS, 50)
    names = {body["messages"][1]["content"][0]["uuid"] for body in server.bodies}
    assert names == {f"{IMAGE}-120x90-png"}


async def test_a_server_that_does_not_know_names_of_pictures(
    server: Any, remote: Remote, shelf: Any
) -> None:
    def script(body: Any) -> Any:
        if "uuid" in body["messages"][1]["content"][0]:
            return server.refusal(400, "Unknown parameter: 'messages[1].content[0].uuid'.")
        return server.turn("2")

    server.script = script
    session = await remote(image_ids=True).open([ASKED], shelf)
    assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)


async def test_thoughts_are_not_the_answer(server: Any, remote: Remote, shelf: Any) -> None:
    server.answers(
        server.turn("2", thoughts="Let me see."),
        server.turn("<think>Perhaps <|look_start|> one?</think>\n\n2 "),
        server.turn("One, two.</think>2"),
    )
    session = await remote().open([ASKED], shelf)
    for _ in range(3):
        assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_model_that_thinks_gets_room_for_it(
    server: Any, remote: Remote, shelf: Any, api: str
) -> None:
    limit = "max_tokens" if api == "chat" else "max_output_tokens"
    server.script = lambda body: (
        server.turn("", thoughts="Hm, hm", finish="length")
        if body[limit] < 1000
        else server.turn("2")
    )
    model = remote(api=api)
    session = await model.open([ASKED], shelf)
    assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)
    await session.act(TOOLS, 50)
    assert [body[limit] for body in server.bodies] == [50, 50 + 4096, 50 + 4096]


async def test_an_answer_that_is_cut_off_by_its_limit_is_what_there_is_of_it(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("There are", finish="length"))
    session = await remote().open([ASKED], shelf)
    assert (await session.act(TOOLS, 2)).actions == (Answer(text="There are"),)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("usage", [True, False])
async def test_what_it_costs_is_counted(
    server: Any, remote: Remote, shelf: Any, api: str, usage: bool
) -> None:
    told = {"prompt": 100, "written": 7, "cached": 40} if usage else None
    server.answers(server.turn("There are two.", usage=told, pieces=1))
    session = await remote(api=api).open([ASKED], shelf)
    assert session.usage == Usage()
    await session.act(TOOLS, 50)
    await session.act(TOOLS, 50)
    if usage:
        assert session.usage == Usage(prefilled=120, emitted=14, cached=80)
    else:
        assert session.usage == Usage(emitted=28), "pieces stand for tokens"


async def test_text_is_streamed_and_calls_are_spelled_at_its_end(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("I look.", [DETECT], pieces=4))
    heard: list[str] = []
    turn = await (await remote().open([ASKED], shelf)).act(TOOLS, 50, heard.append)
    assert heard == ["I lo", "ok.", "<|detect_start|>red cube<|detect_end|>"]
    assert turn.text == "".join(heard)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("cut", [0, 1, 3, 5])
async def test_a_stream_that_breaks_off_is_asked_for_once_more(
    server: Any, remote: Remote, shelf: Any, api: str, cut: int
) -> None:
    server.answers(
        server.turn("There are two.", [DETECT], cut=cut), server.turn("There are two.", [DETECT])
    )
    heard: list[str] = []
    session = await remote(api=api).open([ASKED], shelf)
    turn = await session.act(TOOLS, 50, heard.append)
    assert turn.actions == (Detect(phrase="red cube"),)
    assert turn.text == "".join(heard), "nothing is said twice"
    first, second = server.bodies
    assert first == second, "from the last complete turn"
    assert session.usage.emitted >= 7


async def test_a_stream_that_goes_on_differently_after_it_broke_off(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("There are", cut=3), server.turn("I see two."))
    heard: list[str] = []
    turn = await (await remote().open([ASKED], shelf)).act(TOOLS, 50, heard.append)
    assert turn.text == "I see two.", "the turn is the second one"
    assert "".join(heard) == "There ", "and what was said is not taken back"


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_stream_that_breaks_off_twice(
    server: Any, remote: Remote, shelf: Any, api: str
) -> None:
    server.answers(server.turn("There are two.", cut=3))
    session = await remote(api=api).open([ASKED], shelf)
    with pytest.raises(SetupError, match=r"the server at http://127.* broke off: "):
        await session.act(TOOLS, 50)
    assert len(server.bodies) == 2


async def test_errors_in_the_middle_of_a_stream(server: Any, remote: Remote, shelf: Any) -> None:
    begun = {"id": "c", "choices": [{"index": 0, "delta": {"content": "I"}, "finish_reason": None}]}
    for event in ({"error": {"message": "out of memory"}}, {"error": "out of memory"}):
        server.answers(server.raw(events=[begun, event]))
        session = await remote().open([ASKED], shelf)
        with pytest.raises(SetupError, match="broke off: "):
            await session.act(TOOLS, 50)


async def test_a_failed_response_says_why(server: Any, remote: Remote, shelf: Any) -> None:
    failed = {"type": "response.failed", "response": {"id": "r", "status": "failed", "output": [],
              "error": {"code": "server_error", "message": "the GPU fell off"}}}  # fmt: skip
    server.answers(server.raw(events=[failed]))
    session = await remote(api="responses").open([ASKED], shelf)
    with pytest.raises(SetupError, match="broke off: the GPU fell off"):
        await session.act(TOOLS, 50)


async def test_a_server_that_never_says_why_a_turn_ends(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn("2", finish=""))
    session = await remote().open([ASKED], shelf)
    assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)
    assert len(server.bodies) == 2, "it could have broken off"
    await session.act(TOOLS, 50)
    assert len(server.bodies) == 3, "but then it is how it is"


async def test_a_turn_with_nothing_in_it_is_an_empty_answer(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.answers(server.turn(""))
    assert (await (await remote().open([ASKED], shelf)).act(TOOLS, 50)).actions == (
        Answer(text=""),
    )


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_what_may_pass_is_tried_again(
    server: Any, remote: Remote, shelf: Any, waits: list[float], status: int
) -> None:
    server.answers(
        server.refusal(status, "busy"), server.refusal(status, "busy", retry_after="7"), server.turn("2")
    )  # fmt: skip
    session = await remote().open([ASKED], shelf)
    assert (await session.act(TOOLS, 50)).actions == (Answer(text="2"),)
    assert len(waits) == 2
    assert 0.375 <= waits[0] <= 0.5
    assert waits[1] == 7


async def test_what_does_not_pass_is_given_up(
    server: Any, remote: Remote, shelf: Any, waits: list[float]
) -> None:
    server.answers(server.refusal(503, "warming up"))
    session = await remote().open([ASKED], shelf)
    with pytest.raises(SetupError, match=r"failed \(503 warming up\)"):
        await session.act(TOOLS, 50)
    assert len(server.bodies) == 4
    assert waits == sorted(waits)


async def test_a_wait_that_is_too_long_is_not_waited(
    server: Any, remote: Remote, shelf: Any, waits: list[float]
) -> None:
    server.answers(server.refusal(429, "quota", retry_after="3600"))
    session = await remote().open([ASKED], shelf)
    with pytest.raises(SetupError, match="is asked too much: quota"):
        await session.act(TOOLS, 50)
    assert not waits


async def test_what_is_refused_is_not_tried_again(
    server: Any, remote: Remote, shelf: Any, waits: list[float]
) -> None:
    for status in (400, 401, 403, 404, 413, 422):
        server.answers(server.refusal(status, "no"))
        session = await remote().open([ASKED], shelf)
        before = len(server.bodies)
        with pytest.raises(SetupError):
            await session.act(TOOLS, 50)
        assert len(server.bodies) == before + 1
    assert not waits


async def test_a_server_may_hold_the_answer_to_a_schema(
    server: Any, remote: Remote, shelf: Any
) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    server.answers(server.turn('{"count": 2}', logprobs=[-0.1]))
    asked = ASKED.model_copy(update={"answer_schema": json.dumps(schema)})
    for api in ("chat", "responses"):
        session = await remote(api=api).open([asked], shelf)
        assert isinstance(session, Structured)
        turn = await session.fill(schema, 50)
        assert turn.actions == (Answer(text='{"count": 2}'),)
        assert turn.confidence == pytest.approx(0.9048, abs=1e-4)
    chat, responses = server.bodies
    assert chat["response_format"]["json_schema"]["schema"] == schema
    assert responses["text"]["format"]["schema"] == schema
    assert chat["tool_choice"] == "none"
    assert json.dumps(schema) in chat["messages"][1]["content"][1]["text"]


async def test_a_schema_that_a_server_cannot_hold_to_is_only_told(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.script = lambda body: (
        server.refusal(400, "Invalid schema for response_format 'answer'")
        if {"response_format", "text"} & body.keys()
        else server.turn("two")
    )
    for api in ("chat", "responses"):
        session = await remote(api=api).open([ASKED], shelf)
        turn = await session.fill({"type": "array"}, 50)
        assert turn.actions == (Answer(text="two"),)
        assert turn == Acted(text="two", actions=(Answer(text="two"),))


async def test_a_transcript_without_a_question_is_a_mistake_of_ours(
    remote: Remote, shelf: Any
) -> None:
    with pytest.raises(ValueError, match="starts with what was asked, not with 'noted'"):
        await remote().open([Noted(text="x")], shelf)
