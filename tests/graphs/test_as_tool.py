"""An agent as a tool of a tool-calling agent, whose model is scripted."""

import io
import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from PIL import Image

from foveal import Agent
from foveal.graphs.marked import COLOUR

EXAMPLE = Path(__file__).parents[2] / "examples" / "tabletop.png"
RED = "<|detect_start|>red<|detect_end|>"


class Caller(BaseChatModel):
    """A tool-calling model that makes its calls one turn after the other, and then says what it was told."""

    calls: list[list[dict[str, Any]]]
    """The arguments of each turn's calls."""
    tool: str = "ask_image"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> "Caller":
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        turn = sum(isinstance(message, AIMessage) for message in messages)
        if turn < len(self.calls):
            calls = [
                {"name": self.tool, "args": args, "id": f"{turn}.{n}"}
                for n, args in enumerate(self.calls[turn])
            ]
            said = AIMessage("", tool_calls=calls)
        else:
            told = [message for message in messages if isinstance(message, ToolMessage)]
            said = AIMessage(" and ".join(_text(message).split(" ")[0] for message in told))
        return ChatResult(generations=[ChatGeneration(message=said)])


def _text(message: Any) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(block["text"] for block in message.content if block["type"] == "text")


def _ask() -> Any:
    return {"messages": [("user", "Look at the picture.")]}


def _tool_messages(done: Any) -> list[ToolMessage]:
    return [message for message in done["messages"] if isinstance(message, ToolMessage)]


async def test_a_tool_calling_agent_gets_the_right_answer() -> None:
    question = "How many red cubes are there?"
    with Agent() as agent:
        caller = Caller(calls=[[{"image": str(EXAMPLE), "question": question}]])
        assistant = create_agent(caller, [agent.as_tool()])
        done = await assistant.ainvoke(_ask())
        again = create_agent(Caller(calls=[[{"question": question}]]), [agent.as_tool(EXAMPLE)])
        assert again.invoke(_ask())["messages"][-1].content == "3"
    assert done["messages"][-1].content == "3"
    (told,) = _tool_messages(done)
    assert told.status == "success"
    assert _text(told).splitlines()[0].startswith("3 (confidence ")
    assert "1. red cube at " in _text(told)
    assert told.artifact["answer"] == "3"
    assert len(told.artifact["evidence"]) == 3


def test_what_the_model_is_told(agent_saying: Any, picture_file: str) -> None:
    tool = agent_saying(RED, "2").as_tool()
    message = tool.invoke(_call(image=picture_file, question="How many?"))
    assert _text(message).splitlines() == [
        "2 (confidence 80 %)",
        "It rests on these parts, marked in the image; left, top, right, bottom in pixels of the original:",
        "1. red square at 8,8,24,24",
        "2. red square at 40,8,60,28",
    ]
    (shown,) = [block for block in message.content if block["type"] == "image"]
    assert shown["mime_type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(b64decode(shown["base64"])))
    assert picture.size == (96, 64)
    edge = np.asarray(picture)[26, 44:56].mean(axis=0)  # of the second box, at the bottom
    assert np.abs(edge - COLOUR).max() < np.abs(edge - (200, 0, 0)).max()
    json.dumps(message.artifact)


def _call(**args: Any) -> Any:
    return {"name": "ask_image", "args": args, "id": "1", "type": "tool_call"}


def test_nothing_is_drawn_where_the_answer_rests_on_nothing(
    agent_saying: Any, picture_file: str
) -> None:
    message = (
        agent_saying("grey").as_tool().invoke(_call(image=picture_file, question="What colour?"))
    )
    assert [block["type"] for block in message.content] == ["text"]


def test_the_arguments_are_described(agent_saying: Any, picture_file: str) -> None:
    agent = agent_saying("2")
    tool = agent.as_tool()
    assert (tool.name, set(tool.args)) == ("ask_image", {"image", "question"})
    assert "path" in tool.args["image"]["description"]
    bound = agent.as_tool(picture_file, name="ask_camera", description="Asks the camera.")
    assert (bound.name, bound.description, set(bound.args)) == (
        "ask_camera", "Asks the camera.", {"question"},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["path", "bytes", "array", "picture"])
def test_any_image_can_be_bound(
    agent_saying: Any, picture_file: str, picture: Any, kind: str
) -> None:
    image = {
        "path": Path(picture_file),
        "bytes": Path(picture_file).read_bytes(),
        "array": picture,
        "picture": Image.fromarray(picture),
    }[kind]
    agent = agent_saying(RED, "2")
    told = agent.as_tool(image).invoke(_call(question="How many?", image="other.png"))
    assert told.artifact["answer"] == "2"
    assert told.artifact["image"] == agent.ask(picture_file, "?").image


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"image": "none.png", "question": "How many?"}, "none.png does not exist; check the path"),
        ({"image": "-", "question": "How many?"}, "takes images as paths or URLs"),
        ({"image": "http://127.0.0.1/a.png", "question": "How many?"}, "127.0.0.1"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    agent_saying: Any, args: dict[str, str], reason: str
) -> None:
    tool = agent_saying("2").as_tool()
    for message in (tool.invoke(_call(**args)), await tool.ainvoke(_call(**args))):
        assert message.status == "error"
        assert reason in message.content


def test_a_person_can_be_asked_only_where_there_is_a_checkpointer(
    agent_saying: Any, painter: Any, picture_file: str
) -> None:
    tool = agent_saying(RED, "2", approve="detect").as_tool(picture_file)
    alone = tool.invoke(_call(question="How many?"))
    assert (alone.status, painter.calls) == ("error", [])
    assert "a graph that has a checkpointer" in alone.content
    caller = Caller(calls=[[{"question": "How many?"}]])
    assistant = create_agent(caller, [tool], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    (waits,) = assistant.invoke(_ask(), config)["__interrupt__"]
    assert waits.value["action"]["phrase"] == "red"
    done = assistant.invoke(Command(resume={"kind": "accept"}), config)
    assert done["messages"][-1].content == "2"
    assert len(painter.calls) == 1


def test_several_questions_of_one_turn(agent_saying: Any, picture_file: str) -> None:
    tool = agent_saying(RED, "2").as_tool(picture_file)
    caller = Caller(calls=[[{"question": "How many?"}, {"question": "How many reds?"}]])
    done = create_agent(caller, [tool]).invoke(_ask())
    assert done["messages"][-1].content == "2 and 2"


async def test_a_conversation_that_broke_goes_on_inside_the_tool(
    agent_saying: Any, painter: Any, picture_file: str
) -> None:
    agent = agent_saying(RED, "<|look_start|><|obj_2|><|look_end|>", "2")
    caller = Caller(calls=[[{"question": "How many?"}]])
    assistant = create_agent(caller, [agent.as_tool(picture_file)], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}

    async def broken(action: Any) -> None:
        if action.kind == "look":
            raise ConnectionError("the machine went down")

    painter.before = broken
    with pytest.raises(ConnectionError):
        await assistant.ainvoke(_ask(), config)
    painter.before = None
    done = await assistant.ainvoke(None, config)
    assert done["messages"][-1].content == "2"
    assert [action.kind for action in painter.calls] == ["detect", "look", "look"]


async def test_hops_inside_the_tool_are_streamed(agent_saying: Any, picture_file: str) -> None:
    assistant = create_agent(
        Caller(calls=[[{"question": "How many?"}]]), [agent_saying(RED, "2").as_tool(picture_file)]
    )
    stream: Any = assistant.astream(_ask(), stream_mode="custom", subgraphs=True)
    kinds = [event["kind"] async for _, event in stream]
    assert kinds == [
        "started",
        "said",
        "thought",
        "called",
        "returned",
        "said",
        "thought",
        "finished",
    ]
