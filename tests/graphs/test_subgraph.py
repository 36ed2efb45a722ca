"""An agent's run as a LangGraph graph: alone, inside another graph, and taken up again."""

import asyncio
import json
import logging
from base64 import b64encode
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from PIL import Image

from foveal.agent.errors import InputError
from foveal.agent.observations import View, VisualTokens
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.checkpoints import HELD
from foveal.graphs.trace import Finished, read

RED, LOOK = "<|detect_start|>red<|detect_end|>", "<|look_start|><|obj_2|><|look_end|>"
LOOK_AROUND = "<|region_token_start|><|x_0|><|y_0|><|x_3|><|y_3|><|region_token_end|>"
SCRIPT = (RED, LOOK, "2")
COUNT = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}


@pytest.fixture
def question(picture_file: str) -> dict[str, Any]:
    return {"image": picture_file, "question": "How many red squares?"}


class Report(TypedDict, total=False):
    """The state of a parent that shares what it asks and is told, and has something of its own."""

    image: str
    question: str
    answer: str
    confidence: float | None
    hops: list[Any]
    title: str


def _parent(agent: Agent, **compiled: Any) -> Any:
    graph = StateGraph(Report)
    graph.add_node("look", agent.graph)
    graph.add_node("title", lambda state: {"title": f"{state['answer']} of them"})
    graph.add_edge(START, "look")
    graph.add_edge("look", "title")
    graph.add_edge("title", END)
    return graph.compile(**compiled)


def _config() -> Any:
    return {"configurable": {"thread_id": "t"}}


async def _break(action: Any) -> None:
    if action.kind == "look":
        raise ConnectionError("the machine went down")


def test_a_question_goes_in_and_an_answer_comes_out(
    agent_saying: Any, question: dict[str, Any]
) -> None:
    reply = agent_saying(*SCRIPT).graph.invoke(question)
    assert (reply["answer"], reply["confidence"], reply["value"]) == ("2", 0.8, None)
    assert [piece["box"] for piece in reply["evidence"]] == [[40.0, 8.0, 60.0, 28.0]]
    assert [hop["action"]["kind"] for hop in reply["hops"]] == ["detect", "look"]
    assert reply["result"]["usage"]["hops"] == 2
    assert json.loads(json.dumps(reply)) == reply


async def test_it_answers_inside_a_running_loop_too(
    agent_saying: Any, question: dict[str, Any]
) -> None:
    graph = agent_saying(*SCRIPT).graph
    assert (await graph.ainvoke(question))["answer"] == "2"
    assert graph.invoke(question)["answer"] == "2"
    both = await asyncio.gather(*(graph.ainvoke(question) for _ in range(2)))
    assert len({reply["result"]["run"] for reply in both}) == 2


def test_each_agent_has_its_own_graph(agent_saying: Any, question: dict[str, Any]) -> None:
    one, other = agent_saying("1"), agent_saying("2")
    assert one.graph is one.graph
    assert [agent.graph.invoke(question)["answer"] for agent in (one, other)] == ["1", "2"]


def test_a_data_url_is_as_good_as_a_path(agent_saying: Any, picture_file: str) -> None:
    data = b64encode(Path(picture_file).read_bytes()).decode()
    given = {"image": f"data:image/png;base64,{data}", "question": "How many?"}
    assert agent_saying(*SCRIPT).graph.invoke(given)["answer"] == "2"


def test_schema_verify_and_gate_are_there(agent_saying: Any, question: dict[str, Any]) -> None:
    agent = agent_saying(RED, '{"count": 2}')
    reply = agent.graph.invoke(question | {"schema": COUNT, "verify": True})
    assert reply["value"] == {"count": 2}
    assert reply["result"]["faithful"]["depends"] is False
    sure = agent_saying(model=ScriptedModel(["2"], [0.9]), gate=0.9)
    assert sure.graph.invoke(question)["result"]["ended_by"] == "gate"


def test_what_was_wished_for_one_question_is_not_for_the_next(
    agent_saying: Any, question: dict[str, Any]
) -> None:
    graph = agent_saying("2").graph.copy(update={"checkpointer": InMemorySaver()})
    first = graph.invoke(question | {"schema": COUNT, "verify": True}, _config())
    second = graph.invoke({"question": "And how many blue ones?"}, _config())
    assert (first["value"], second["value"]) == ({"count": 2}, None)
    assert second["result"]["faithful"] is None
    assert second["result"]["image"] == first["result"]["image"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": "none.png"}, "none.png does not exist"),
        ({"image": "-"}, "takes images as paths or URLs, got '-'"),
        ({"image": 3}, "takes images as paths or URLs, got '3'"),
        ({"question": " "}, "question is empty"),
        ({"schema": {"type": "number of things"}}, "no JSON schema at type"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_loaded(
    agent_saying: Any,
    question: dict[str, Any],
    change: dict[str, Any],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = agent_saying("2")
    monkeypatch.setattr(agent, "_loaded", lambda: pytest.fail("the model was loaded"))
    with pytest.raises(InputError, match=reason):
        agent.graph.invoke(question | change)


def test_as_a_node_of_another_graph(agent_saying: Any, question: dict[str, Any]) -> None:
    done = _parent(agent_saying(*SCRIPT)).invoke(question | {"title": "old"})
    assert (done["answer"], done["title"]) == ("2", "2 of them")
    assert "result" not in done


def test_the_drawing_shows_the_loop(agent_saying: Any) -> None:
    drawn = _parent(agent_saying("2")).get_graph(xray=True).draw_mermaid()
    for name in ("load", "think", "perceive", "observe", "repair", "conclude"):
        assert name in drawn


def test_the_schemas_say_what_goes_in_and_out(agent_saying: Any) -> None:
    graph = agent_saying("2").graph
    given, told = graph.get_input_jsonschema(), graph.get_output_jsonschema()
    assert set(given["properties"]) == {"image", "question", "schema", "verify"}
    assert set(given["required"]) == {"image", "question"}
    assert {"answer", "confidence", "evidence", "hops", "result"} <= set(told["properties"])


def test_hops_are_streamed(agent_saying: Any, question: dict[str, Any]) -> None:
    parent = _parent(agent_saying(*SCRIPT))
    told = list(parent.stream(question, stream_mode="custom", subgraphs=True))
    kinds = [event["kind"] for _, event in told]
    assert kinds == [
        "started", "said", "thought", "called", "returned", "said", "thought", "called", "returned",
        "said", "thought", "finished",
    ]  # fmt: skip
    assert {place[0].split(":")[0] for place, _ in told} == {"look"}
    json.dumps([event for _, event in told])
    assert (
        list(parent.stream(question, stream_mode="custom")) == []
    )  # a parent asks for its children's


async def test_hops_are_streamed_as_they_happen(
    agent_saying: Any, painter: Any, question: dict[str, Any]
) -> None:
    heard, waited = asyncio.Event(), asyncio.get_running_loop()

    async def wait(action: Any) -> None:
        if action.kind == "look":  # asked only after the first hop was heard
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_wait(heard), waited))

    painter.before = wait
    kinds = []
    async for event in agent_saying(*SCRIPT).graph.astream(question, stream_mode="custom"):
        kinds.append(event["kind"])
        if event["kind"] == "returned":
            heard.set()
    assert kinds[-1] == "finished"


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_steps_of_the_loop_are_streamed(agent_saying: Any, question: dict[str, Any]) -> None:
    parent = _parent(agent_saying(*SCRIPT))
    steps = [
        (len(place), *update)
        async for place, update in parent.astream(question, stream_mode="updates", subgraphs=True)
    ]
    turn = [(2, "think"), (2, "perceive"), (2, "observe")]
    assert steps == [
        (1, "load"), *turn, *turn, (2, "think"), (2, "conclude"), (1, "loop"), (0, "look"), (0, "title"),
    ]  # fmt: skip


def _sound(kinds: list[str]) -> None:
    """Detected once; only the look that broke was asked for again."""
    assert kinds == ["detect", "look", "look"]


@pytest.mark.parametrize("fresh", [False, True], ids=["same agent", "another agent"])
def test_a_parent_that_broke_goes_on_inside_the_loop(
    agent_saying: Any, painter: Any, question: dict[str, Any], fresh: bool
) -> None:
    saver, agent = InMemorySaver(), agent_saying(*SCRIPT)
    painter.before = _break
    with pytest.raises(ConnectionError):
        _parent(agent, checkpointer=saver).invoke(question, _config())
    painter.before = None
    agent = agent_saying(*SCRIPT) if fresh else agent
    done = _parent(agent, checkpointer=saver).invoke(None, _config())
    assert (done["answer"], done["title"]) == ("2", "2 of them")
    _sound([action.kind for action in painter.calls])


async def test_it_goes_on_asynchronously(
    agent_saying: Any, painter: Any, question: dict[str, Any]
) -> None:
    parent = _parent(agent_saying(*SCRIPT), checkpointer=InMemorySaver())
    painter.before = _break
    with pytest.raises(ConnectionError):
        await parent.ainvoke(question, _config())
    painter.before = None
    assert (await parent.ainvoke(None, _config()))["answer"] == "2"
    _sound([action.kind for action in painter.calls])


SERDE = JsonPlusSerializer(allowed_msgpack_modules=HELD)


@pytest.mark.parametrize("synchronous", [True, False])
async def test_sqlite_keeps_it_for_another_process(
    agent_saying: Any,
    painter: Any,
    question: dict[str, Any],
    tmp_path: Path,
    synchronous: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = str(tmp_path / "parent.sqlite")

    async def run(given: Any) -> Any:
        agent = agent_saying(*SCRIPT)
        if synchronous:
            with SqliteSaver.from_conn_string(file) as saver:
                saver.serde = SERDE
                return _parent(agent, checkpointer=saver).invoke(given, _config())
        async with AsyncSqliteSaver.from_conn_string(file) as asaver:
            asaver.serde = SERDE
            return await _parent(agent, checkpointer=asaver).ainvoke(given, _config())

    painter.before = _break
    with pytest.raises(ConnectionError):
        await run(question)
    painter.before = None
    with caplog.at_level(logging.WARNING):
        assert (await run(None))["answer"] == "2"
    _sound([action.kind for action in painter.calls])
    assert "unregistered" not in caplog.text


@pytest.mark.parametrize("synchronous", [True, False])
async def test_a_person_approves_through_the_parent(
    agent_saying: Any, painter: Any, question: dict[str, Any], synchronous: bool
) -> None:
    agent = agent_saying(*SCRIPT, approve="look")
    parent = _parent(agent, checkpointer=InMemorySaver())

    async def run(given: Any) -> Any:
        call = parent.invoke if synchronous else parent.ainvoke
        done = call(given, _config())
        return done if synchronous else await done

    (waits,) = (await run(question))["__interrupt__"]
    assert waits.value["action"]["kind"] == "look"
    assert [action.kind for action in painter.calls] == ["detect"]
    done = await run(Command(resume={"kind": "reject", "reason": "private"}))
    assert done["answer"] == "2"
    assert [action.kind for action in painter.calls] == ["detect"]
    assert done["hops"][1]["approval"] == "rejected"


def test_a_pause_before_a_node_of_the_parent(
    agent_saying: Any, painter: Any, question: dict[str, Any]
) -> None:
    parent = _parent(agent_saying(*SCRIPT), checkpointer=InMemorySaver())
    parent.invoke(question, _config(), interrupt_before=["title"])
    assert parent.get_state(_config()).next == ("title",)
    assert parent.invoke(None, _config())["title"] == "2 of them"
    assert [action.kind for action in painter.calls] == ["detect", "look"]


def test_a_verified_run_repeats_nothing_either(
    agent_saying: Any, painter: Any, question: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = agent_saying(*SCRIPT)
    graph = agent.graph.copy(update={"checkpointer": InMemorySaver()})
    asides: list[Any] = []

    async def broken(*_: Any) -> Any:
        asides.append(_)
        raise ConnectionError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr("foveal.graphs.direct._without_looking", broken)
        with pytest.raises(ConnectionError):
            graph.invoke(question | {"verify": True}, _config())
    assert len(asides) == 1
    reply = graph.invoke(None, _config())
    assert reply["result"]["faithful"]["answer"] == "2"
    assert [action.kind for action in painter.calls] == ["detect", "look"]


def _pixels(saver: InMemorySaver, pixels: Any) -> bool:
    """Whether the picture, or part of it, is in a checkpoint."""
    row = np.ascontiguousarray(pixels[8]).tobytes()
    blobs = [blob for _, blob in saver.blobs.values()]
    written = [each[2][1] for writes in saver.writes.values() for each in writes.values()]
    return any(row in blob for blob in (*blobs, *written))


def test_a_checkpoint_holds_no_pixels(
    agent_saying: Any, question: dict[str, Any], picture: Any
) -> None:
    saver = InMemorySaver()
    _parent(agent_saying(*SCRIPT), checkpointer=saver).invoke(question, _config())
    assert saver.blobs
    assert not _pixels(saver, picture)


@pytest.mark.parametrize("other", [False, True])
def test_another_process_loads_the_image_again(
    agent_saying: Any, painter: Any, question: dict[str, Any], other: bool
) -> None:
    saver = InMemorySaver()
    painter.before = _break
    with pytest.raises(ConnectionError):
        _parent(agent_saying(*SCRIPT), checkpointer=saver).invoke(question, _config())
    painter.before = None
    painter.store = type(painter.store)()  # what a process remembers ends with it
    if other:
        Image.new("RGB", (96, 64)).save(question["image"])
    parent = _parent(agent_saying(*SCRIPT), checkpointer=saver)
    if other:
        with pytest.raises(InputError, match="is not the one that this run began with"):
            parent.invoke(None, _config())
    else:
        assert parent.invoke(None, _config())["answer"] == "2"
    assert painter.store._pins == {}


@pytest.fixture
def seeing(painter: Any) -> Any:
    """The painter, with features of every crop in the store that it has at the time."""

    def view(box: Any) -> View:
        features = np.full((1, 4), box.area, np.float32)
        tokens = VisualTokens(key=painter.store.put_array(features), grid=(1, 2, 2))
        return View(role="crop", pixels=box, source=box, tokens=tokens)

    painter._view = view
    return painter


class Onlooker(ScriptedModel):
    """A model that looks at what it is told of, as those do that see."""

    async def open(self, transcript: Any, sight: Any) -> Any:
        for entry in transcript:
            for view in getattr(getattr(entry, "observation", None), "views", ()):
                assert sight.array(view.tokens.key).shape == (1, 4)
        return await super().open(transcript, sight)


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("kept", [True, False], ids=["a store", "no store"])
async def test_another_process_has_what_was_seen(
    agent_saying: Any, seeing: Any, question: dict[str, Any], kept: bool, synchronous: bool
) -> None:
    script = (LOOK_AROUND, RED, "2")
    saver, store = InMemorySaver(), InMemoryStore() if kept else None

    async def run(given: Any) -> Any:
        agent = agent_saying(model=Onlooker(script), store=seeing.store)
        parent = _parent(agent, checkpointer=saver, store=store)
        if synchronous:
            return parent.invoke(given, _config())
        return await parent.ainvoke(given, _config())

    seeing.before = _break_at_detect
    with pytest.raises(ConnectionError):
        await run(question)
    seeing.before = None
    seeing.store = type(seeing.store)()  # what a process remembers ends with it
    assert (await run(None))["answer"] == "2"
    again = [] if kept else ["look"]
    assert sorted(action.kind for action in seeing.calls) == sorted(
        ["look", "detect", "detect", *again]
    )
    assert store is None or store.search(("foveal",)) == []


async def _break_at_detect(action: Any) -> None:
    if action.kind == "detect":
        raise ConnectionError("the machine went down")


def test_what_cannot_be_seen_again_is_told(
    agent_saying: Any, seeing: Any, question: dict[str, Any]
) -> None:
    saver, script = InMemorySaver(), (LOOK_AROUND, RED, "2")
    seeing.before = _break_at_detect
    with pytest.raises(ConnectionError):
        _parent(agent_saying(*script), checkpointer=saver).invoke(question, _config())
    seeing.before = None
    seeing.store = type(seeing.store)()
    seeing._view = lambda box: View(role="crop", pixels=box, source=box)
    parent = _parent(agent_saying(*script, store=seeing.store), checkpointer=saver)
    with pytest.raises(InputError, match="what look saw cannot be had again"):
        parent.invoke(None, _config())


def test_a_trace_is_gone_on_with(
    agent_saying: Any, painter: Any, question: dict[str, Any], tmp_path: Path
) -> None:
    agent = agent_saying(*SCRIPT, trace_dir=tmp_path / "traces")
    parent = _parent(agent, checkpointer=InMemorySaver())
    painter.before = _break
    with pytest.raises(ConnectionError):
        parent.invoke(question, _config())
    painter.before = None
    done = parent.invoke(None, _config())
    (file,) = (tmp_path / "traces").iterdir()
    events = read(file)
    assert [event.kind for event in events] == [
        "started", "thought", "called", "returned", "thought", "called", "broke",
        "started", "resumed", "called", "returned", "thought", "finished",
    ]  # fmt: skip
    assert isinstance(events[-1], Finished)
    assert events[-1].result.trace == str(file)
    assert [hop["seconds"] for hop in done["hops"]] == [h.seconds for h in events[-1].result.hops]


def test_images_are_let_go_of(agent_saying: Any, painter: Any, question: dict[str, Any]) -> None:
    agent = agent_saying(*SCRIPT)
    painter.before = _break
    with pytest.raises(ConnectionError):
        agent.graph.invoke(question)
    painter.before = None
    agent.graph.invoke(question)
    assert painter.store._pins == {}


async def test_cancelling_ends_the_run(
    agent_saying: Any, painter: Any, question: dict[str, Any]
) -> None:
    here = asyncio.get_running_loop()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(action: Any) -> None:
        here.call_soon_threadsafe(begun.set)
        try:
            await asyncio.Event().wait()
        finally:
            here.call_soon_threadsafe(ended.set)

    painter.before = hang
    task = asyncio.create_task(agent_saying(*SCRIPT).graph.ainvoke(question))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended.wait()
    assert painter.store._pins == {}
