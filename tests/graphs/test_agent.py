"""The Python door, as a user opens it."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_type

import pytest
from pydantic import BaseModel

import foveal
from foveal.agent.actions import PERCEPTIONS, Detect
from foveal.agent.errors import InputError, SetupError
from foveal.agent.profiles import Profile
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent, ask
from foveal.graphs.budgets import Budgets
from foveal.graphs.choices import chosen
from foveal.graphs.trace import Finished
from foveal.tools.base import Reply, Request
from foveal.tools.dispatch import InlineDispatcher

RED = "<|detect_start|>red<|detect_end|>"


@pytest.fixture
def agent_saying(painter: Any) -> Iterator[Callable[..., Agent]]:
    """Makes agents from the model's turns, and closes them."""
    agents: list[Agent] = []

    def make(*turns: str, **options: Any) -> Agent:
        model = ScriptedModel(turns, [None] * (len(turns) - 1) + [0.8])
        options = {"model": model, "dispatcher": painter, "store": painter.store} | options
        agents.append(Agent(**options))
        return agents[-1]

    yield make
    for agent in agents:
        agent.close()


def test_ask(agent_saying: Any, picture: Any) -> None:
    result = agent_saying(RED, "2").ask(picture, "How many red squares?")
    assert isinstance(result, foveal.Result)
    assert (result.answer, result.confidence, len(result.evidence)) == ("2", 0.8, 2)


async def test_ask_inside_a_running_loop(agent_saying: Any, picture: Any) -> None:
    assert agent_saying(RED, "2").ask(picture, "How many?").answer == "2"


async def test_aask(agent_saying: Any, picture: Any) -> None:
    assert (await agent_saying(RED, "2").aask(picture, "How many?")).answer == "2"


async def test_questions_overlap(agent_saying: Any, painter: Any, picture: Any) -> None:
    meeting = asyncio.Barrier(4)
    painter.before = lambda action: meeting.wait()  # passes only when all four runs are here
    agent = agent_saying(RED, "2")
    results = await asyncio.gather(*(agent.aask(picture, f"Question {n}?") for n in range(4)))
    assert [result.answer for result in results] == ["2"] * 4
    assert len({result.run for result in results}) == 4


async def test_stream_tells_everything_and_ends_with_the_result(
    agent_saying: Any, picture: Any
) -> None:
    events = [event async for event in agent_saying(RED, "2").stream(picture, "How many?")]
    assert [event.kind for event in events] == [
        "started", "said", "thought", "called", "returned", "said", "thought", "finished",
    ]  # fmt: skip
    assert isinstance(events[-1], Finished)
    assert events[-1].result.answer == "2"


async def test_stream_raises_what_the_run_raises(agent_saying: Any, picture: Any) -> None:
    events = agent_saying("2").stream(picture, " ")
    with pytest.raises(InputError, match="question is empty"):
        await anext(events)


async def test_leaving_a_stream_ends_the_run(
    agent_saying: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    ended = threading.Event()

    async def hang(action: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    painter.before = hang
    events = agent_saying(RED, "2").stream(picture, "How many?")
    async for event in events:
        if event.kind == "called":
            break
    await events.aclose()
    assert await asyncio.to_thread(ended.wait, 60)


async def test_cancelling_aask_ends_the_run(agent_saying: Any, painter: Any, picture: Any) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def hang(action: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    painter.before = hang
    task = asyncio.create_task(agent_saying(RED, "2").aask(picture, "How many?"))
    assert await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 60)


def test_what_the_caller_made_the_caller_closes(
    agent_saying: Any, painter: Any, picture: Any
) -> None:
    with agent_saying(RED, "2") as agent:
        agent.ask(picture, "How many?")
    agent.close()
    assert painter.closed == 0
    with pytest.raises(RuntimeError, match="closed"):
        agent.ask(picture, "How many?")


def test_an_agent_that_was_never_asked_closes() -> None:
    agent = Agent()
    agent.close()
    with pytest.raises(RuntimeError, match="closed"):
        agent.ask("picture.png", "How many?")


def test_the_module_level_ask(painter: Any, picture: Any) -> None:
    options = {"model": ScriptedModel(["2"]), "dispatcher": painter, "store": painter.store}
    assert ask(picture, "How many?", **options).answer == "2"
    assert not [thread for thread in threading.enumerate() if thread.name == "foveal"]


@dataclass
class Colours:
    """A specialist that finds things of one colour."""

    painter: Any

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        return [Reply(self._found(request)) for request in batch]

    def _found(self, request: Request) -> Any:
        assert isinstance(request.action, Detect)
        if request.action.phrase == "trouble":
            raise MemoryError("too many things")
        return self.painter.detected(request.action.phrase, request.image)


def test_with_the_inline_dispatcher(agent_saying: Any, painter: Any, picture: Any) -> None:
    crew = {"detector": lambda: Colours(painter)}
    trouble, look = "<|detect_start|>trouble<|detect_end|>", "<|look_start|><|obj_1|><|look_end|>"
    script = (RED + trouble, look, "<|read_start|><|read_end|>", "2")
    agent = agent_saying(*script, dispatcher=InlineDispatcher(painter.store, crew))
    result = agent.ask(picture, "How many red squares?")
    assert result.answer == "2"
    assert [hop.observation.kind for hop in result.hops] == [
        "detected", "failed", "looked", "failed",
    ]  # fmt: skip
    assert [piece.box for piece in result.evidence] == [(8, 8, 24, 24)]
    assert result.notes == (
        "detector failed: MemoryError: too many things",
        "reader failed: this profile has none; it has detector",
    )


class Count(BaseModel):
    count: int


async def test_an_answer_that_fits_a_class_is_an_object_of_it(
    agent_saying: Any, picture: Any
) -> None:
    agent = agent_saying(RED, '{"count": 2}')
    assert agent.ask(picture, "How many?", schema=Count).value == Count(count=2)
    assert (await agent.aask(picture, "How many?", schema=Count)).value == Count(count=2)
    told = agent.stream(picture, "How many?", schema=Count.model_json_schema())
    *_, last = [event async for event in told]
    assert last.result.value == {"count": 2}
    assert agent.ask(picture, "How many?").value is None


def test_the_type_of_the_value_is_known(agent_saying: Any, picture: Any) -> None:
    agent: Agent = agent_saying("2")
    result = agent.ask(picture, "How many?", schema=Count)
    assert_type(result.value, Count | None)
    assert_type(agent.ask(picture, "How many?").value, Any | None)
    assert result.value == Count(count=2)


def test_an_answer_is_verified_on_request(agent_saying: Any, picture: Any) -> None:
    agent = agent_saying(RED, "2")
    result = agent.ask(picture, "How many?", verify=True)
    assert result.faithful is not None
    assert not result.faithful.depends  # a script says the same whatever it is shown
    assert agent.ask(picture, "How many?").faithful is None


def test_a_gate_is_the_agents(agent_saying: Any, picture: Any) -> None:
    sure = ScriptedModel(["2"], [0.9])
    assert agent_saying(model=sure, gate=0.9).ask(picture, "How many?").ended_by == "gate"
    assert agent_saying(model=sure, gate=0.91).ask(picture, "How many?").ended_by == "answer"


@pytest.mark.parametrize("gate", [-0.1, 1.1, float("nan")])
def test_a_gate_is_a_probability(gate: float) -> None:
    with pytest.raises(InputError, match="no probability; give 0 to 1"):
        Agent(gate=gate)


def test_a_schema_that_is_none_is_refused_before_anything_is_loaded(
    picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.graphs.agent._model", lambda *_: pytest.fail("it was loaded"))
    with Agent() as agent, pytest.raises(InputError, match="no JSON schema at type"):
        agent.ask(picture, "How many?", schema={"type": "number of things"})


def test_budgets_and_traces_are_the_callers(
    agent_saying: Any, picture: Any, tmp_path: Path
) -> None:
    agent = agent_saying(RED, "2", budgets=Budgets(hops=1), trace_dir=tmp_path / "new" / "folder")
    result = agent.ask(picture, "How many?")
    assert result.ended_by == "hops"
    assert Path(result.trace).parent == tmp_path / "new" / "folder"


@pytest.mark.parametrize(
    ("image", "question", "reason"),
    [
        ("none.png", "How many?", "none.png does not exist"),
        (b"", "How many?", "is empty"),
        (b"GIF89a", "How many?", "."),
        (3, "How many?", "int is no image"),
        (None, "", "question is empty"),
    ],
    ids=["missing", "zero bytes", "truncated", "no image", "no question"],
)
def test_bad_input_is_told_before_anything_is_loaded_or_written(
    image: Any, question: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_nothing(*_: Any) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr("foveal.graphs.agent._model", load_nothing)
    with (
        Agent(trace_dir=tmp_path / "traces") as agent,
        pytest.raises(InputError, match=reason),
    ):
        agent.ask(image, question)
    assert not list(tmp_path.iterdir())


PROFILE = Profile(name="small", weights=Path("."), tools=("detect", "read", "look"))


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (None, ("detect", "read", "look")),
        ("none", ()),
        ([], ()),
        ("read, detect", ("detect", "read")),
        (["look", "look"], ("look",)),
    ],
)
def test_tools_are_chosen_from_the_profiles(tools: Any, expected: Any) -> None:
    assert chosen(tools, PROFILE) == expected


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ("smell", "no tool 'smell'; known: " + ", ".join(PERCEPTIONS)),
        ("", "no tool ''"),
        ("none,read", "no tool 'none'"),
        ("depth", "profile 'small' has no tool 'depth'; it has: detect, read, look"),
    ],
)
def test_tools_that_are_not_there_are_refused(tools: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        chosen(tools, PROFILE)


def test_an_unknown_profile_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="no profile 'imaginary'"):
        Agent("imaginary")


def test_a_dispatcher_without_its_store_is_refused(painter: Any) -> None:
    with pytest.raises(InputError, match="store"):
        Agent(dispatcher=painter)


def test_low_confidence_names_what_the_profile_is_for(painter: Any, picture: Any) -> None:
    options = {"dispatcher": painter, "store": painter.store}
    sure, unsure = (ScriptedModel(["2"], [confidence]) for confidence in (0.9, 0.31))
    assert ask(picture, "?", model=sure, **options).notes == ()
    (note,) = ask(picture, "?", model=unsure, **options).notes
    assert note.startswith("low confidence (0.31); profile 'embedded' was trained for rendered")
    assert note.endswith(
        "for anything else use another profile (vpt-2b-free, openai) or a chat model (--model)"
    )


@pytest.mark.parametrize("confidence", [0.9, None])
def test_an_open_answer_is_unsure_however_likely_it_was(
    confidence: float | None, painter: Any, picture: Any
) -> None:
    model = ScriptedModel(["unknown"], [confidence])
    (note,) = ask(picture, "?", model=model, dispatcher=painter, store=painter.store).notes
    assert note.startswith("no answer found; profile 'embedded' was trained for rendered")
    assert "(vpt-2b-free, openai)" in note


@pytest.mark.parametrize("library", ["torch", "transformers", "safetensors"])
def test_a_missing_extra_is_the_users_to_install(
    library: str, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with Agent() as agent, pytest.raises(SetupError, match=r"pip install 'foveal\[models\]'"):
        agent.ask(picture, "How many?")


RELEASED = Path(__file__).parents[1] / "data" / "vpt" / "clip"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The repositories that were downloaded; each is the tiny checkpoint that tests have."""
    repositories: list[str] = []

    def fetch(release: Any, device: str, stop: Any) -> Path:
        repositories.append(release.repository)
        return RELEASED

    monkeypatch.setattr("foveal.agent.hub.fetching.fetch", fetch)
    return repositories


def test_what_model_and_specialists_share_is_fetched_once(fetched: list[str], picture: Any) -> None:
    with Agent("vpt-2b-clip", budgets=Budgets(hops=0, answer_tokens=3)) as agent:
        agent.fetch()
        agent.fetch()
        assert agent.ask(picture, "What is red?").answer
        assert agent.profile.folder == RELEASED
    assert fetched == ["rp-yu/Qwen2-VL-2b-VPT-CLIP"]


def test_nothing_is_fetched_for_parts_that_others_made(
    agent_saying: Any, fetched: list[str], picture: Any
) -> None:
    assert agent_saying("2", profile="vpt-7b-clip").ask(picture, "How many?").answer == "2"
    assert fetched == []


def test_closing_ends_a_download(picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def fetch(release: Any, device: str, stop: Callable[[], bool]) -> Path:
        begun.set()
        while not stop():
            ended.wait(0.01)
        ended.set()
        raise SetupError("the download was stopped", "ask again")

    monkeypatch.setattr("foveal.agent.hub.fetching.fetch", fetch)
    agent = Agent("vpt-2b-clip")
    asking = threading.Thread(target=lambda: _quietly(agent, picture))
    asking.start()
    assert begun.wait(60)
    agent.close()
    asking.join(60)
    assert ended.is_set()
    assert not asking.is_alive()


def _quietly(agent: Agent, picture: Any) -> None:
    """Ask, and expect to be interrupted."""
    with pytest.raises((SetupError, asyncio.CancelledError, CancelledError)):
        agent.ask(picture, "How many?")
