"""Agents on Ray Serve behind the door, with the official client in front."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

from foveal.agent.actions import Perception
from foveal.agent.errors import InputError, SetupError
from foveal.agent.observations import Detected, Observation
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.crowd import joined
from foveal.graphs.trace import Event
from foveal.http.question import Menu, Question
from foveal.http.refusals import Refusal
from foveal.http.replicas import Replicas, Scale
from foveal.tools.store import ImageStore

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of Ray Serve, as it is imported
]

PROGRAM = "import sys; from foveal.cli import main; sys.exit(main())"
DETECT = "<|detect_start|>{}<|detect_end|>"


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray that knows this file, which its processes cannot import."""
    with joined(None):
        import ray
        from ray import serve

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield
        serve.shutdown()


class Slow:
    """A dispatcher that sees nothing, and does what the phrase says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Any] = ()
    ) -> Observation:
        phrase = getattr(action, "phrase", "")
        if phrase == "die":
            os._exit(1)
        try:
            while phrase == "wait":
                await asyncio.sleep(0.01)
        finally:
            (self.folder / f"{phrase} ended").touch()
        return Detected(phrase=phrase)

    async def close(self) -> None:
        """Nothing was started."""


def made(folder: Path, phrase: str) -> Agent:
    """An agent that looks for something, then answers."""
    if phrase == "broken":
        raise SetupError("the weights are damaged", "mend them")
    model = ScriptedModel([DETECT.format(phrase), "none"])
    return Agent(model=model, dispatcher=Slow(folder), store=ImageStore())


@asynccontextmanager
async def replicas(folder: Path, phrase: str, **scale: Any) -> AsyncIterator[Replicas]:
    size = Scale(**{"few": 1, "many": 1, "num_cpus": 0.1} | scale)
    found = Replicas(partial(made, folder, phrase), {}, size, phrase, lambda line: None)
    try:
        await found.load()
        yield found
    finally:
        await asyncio.to_thread(found.close)


def question(picture_url: str, **changes: Any) -> Question:
    menu = Menu("embedded")
    usual: dict[str, Any] = {
        "images": (picture_url,), "text": "How many?", "wishes": "", "earlier": (), "schema": None,
        "tools": menu.tools, "budgets": menu.budgets, "gate": None, "verify": False,
    }  # fmt: skip
    return Question(**usual | changes)


async def everything(events: AsyncIterator[Event]) -> list[Event]:
    """All that is told."""
    return [event async for event in events]


async def test_what_a_replica_tells_comes_here(ray: None, picture_url: str, tmp_path: Path) -> None:
    async with replicas(tmp_path, "dog") as backend:
        events = await everything(backend.events(question(picture_url)))
        assert [event.kind for event in events][-3:] == ["said", "thought", "finished"]
        assert events[-1].kind == "finished"
        assert events[-1].result.answer == "none"
        with pytest.raises(InputError, match="is not an image"):
            await anext(backend.events(question("data:,x")))


async def test_leaving_ends_the_run_in_the_replica(
    ray: None, picture_url: str, tmp_path: Path
) -> None:
    async with replicas(tmp_path, "wait") as backend:
        events = backend.events(question(picture_url))
        async for event in events:
            if event.kind == "called":
                break
        assert not (tmp_path / "wait ended").exists()
        await events.aclose()
        async with asyncio.timeout(60):
            while not (tmp_path / "wait ended").exists():
                await asyncio.sleep(0.01)


def running(name: str) -> int:
    """Replicas that answer."""
    from ray import serve

    (deployment,) = serve.status().applications[name].deployments.values()
    return sum(count for state, count in deployment.replica_states.items() if state == "RUNNING")


async def test_more_questions_start_more_replicas(
    ray: None, picture_url: str, tmp_path: Path
) -> None:
    async with replicas(tmp_path, "wait", many=2, in_flight=2) as backend:
        assert await asyncio.to_thread(running, "wait") == 1
        asked = [
            asyncio.create_task(everything(backend.events(question(picture_url)))) for _ in range(3)
        ]
        async with asyncio.timeout(180):
            while await asyncio.to_thread(running, "wait") < 2:
                await asyncio.sleep(0.1)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_a_replica_that_dies_is_told_and_replaced(
    ray: None, picture_url: str, tmp_path: Path
) -> None:
    async with replicas(tmp_path, "die") as backend:
        with pytest.raises(Refusal, match="has died") as caught:
            await everything(backend.events(question(picture_url)))
        assert caught.value.status == 503
        events = await everything(backend.events(question(picture_url, tools=())))
        assert events[-1].kind == "finished"


async def test_a_model_that_cannot_be_loaded_is_said_at_once(ray: None, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the weights are damaged; mend them"):
        async with replicas(tmp_path, "broken"):
            raise AssertionError("it was loaded")


def test_no_cluster_is_one_line() -> None:
    words = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--ray", "127.0.0.1:9", "-q"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("agent: no Ray cluster at '127.0.0.1:9'")
    assert done.stderr.count("\n") == 1


def test_the_official_client_is_answered_by_replicas(tmp_path: Path, example_url: str) -> None:
    profile = tmp_path / "team.toml"
    profile.write_text('tools = ["detect"]\n', encoding="utf-8")
    words = [
        sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--profile", str(profile),
        "--ray", "--replicas", "1-2",
    ]  # fmt: skip
    environment = {**os.environ, "FOVEAL_TOKEN": "of tests", "OMP_NUM_THREADS": "1"}
    parts: list[Any] = [
        {"type": "text", "text": "How many red cubes are there?"},
        {"type": "image_url", "image_url": {"url": example_url}},
    ]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        address = re.search(r"http://\S+/v1", process.stderr.readline())
        assert address is not None
        with openai.OpenAI(base_url=address[0], api_key="of tests", max_retries=0) as client:
            ask = client.chat.completions.create
            said = ask(model="team", messages=[{"role": "user", "content": parts}])
            stream = ask(model="team", messages=[{"role": "user", "content": parts}], stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        process.terminate()
        process.communicate()
    assert said.choices[0].message.content == "".join(pieces) == "3"
    assert process.returncode == 0
