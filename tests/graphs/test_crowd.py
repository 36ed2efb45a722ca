"""Agents in processes of their own: questions are spread, agents may die, and each question is answered once."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError, SetupError, SpecialistError
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Spent
from foveal.graphs.crowd import BUGS, Crowd, Hire, RemoteError, joined
from foveal.graphs.result import Result
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.store import ImageStore

pytestmark = pytest.mark.ray

SMALL = Hire(agents=2, concurrency=4, num_cpus=0.1)
IMAGE = b"an image, for all that anybody here looks at it"


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray that knows this file, which its processes cannot import."""
    with joined(None):
        import ray

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield


@asynccontextmanager
async def crowd_of(make: Any, hire: Hire = SMALL) -> AsyncIterator[Crowd]:
    crowd = Crowd(make, hire, {"FOVEAL_TEST": "here"})
    crowd.open()
    try:
        yield crowd
    finally:
        await crowd.close()


class StandIn:
    """Answers with its process and how many questions it has; misbehaves as the question says."""

    object_store_peak = 1000

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, 0

    async def aload(self) -> None:
        """Nothing to load."""

    async def aask(self, image: bytes, question: str) -> Result:
        self.running += 1
        try:
            most = self.running
            await self.misbehave(question)
        finally:
            self.running -= 1
        return Result(
            answer=f"{os.getpid()} {most} {image.decode()}", confidence=None, hops=(), evidence=(),
            ended_by="answer", usage=Spent(), seconds=0, trace=None, notes=(), run="r", image="h",
        )  # fmt: skip

    async def misbehave(self, question: str) -> None:
        if question == "bug":
            raise ZeroDivisionError("of its own")
        if question == "bad":
            raise InputError("the image is damaged")
        if question == "environment":
            raise InputError(os.environ["FOVEAL_TEST"])
        if question == "die":
            os._exit(1)
        if question.startswith("once "):
            await self.once(question)
        if question.startswith("wait"):
            (self.folder / question).touch()
            while not (self.folder / "go").exists():
                await asyncio.sleep(0.01)

    async def once(self, question: str) -> None:
        """Do something bad, but only the first time."""
        mark = self.folder / question
        if not mark.exists():
            mark.touch()
            if question == "once stuck":
                await asyncio.sleep(600)
            os._exit(1)

    def close(self) -> None:
        """Nothing was started."""


def process(result: Result) -> int:
    return int(result.answer.split()[0])


async def waiting(folder: Path, count: int) -> None:
    """Until so many questions are being answered."""
    while len(list(folder.glob("wait*"))) < count:
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("ray")
class TestCrowd:
    async def test_questions_are_spread_and_no_agent_has_too_many(self, tmp_path: Path) -> None:
        async with crowd_of(partial(StandIn, tmp_path)) as crowd:
            asked = [asyncio.create_task(crowd.aask(IMAGE, f"wait{n}")) for n in range(20)]
            await waiting(tmp_path, 8)
            (tmp_path / "go").touch()
            results = await asyncio.gather(*asked)
        processes = Counter(process(result) for result in results)
        assert len(processes) == 2
        assert os.getpid() not in processes
        assert max(int(result.answer.split()[1]) for result in results) == 4

    async def test_an_image_file_is_read_here(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"bytes")
        async with crowd_of(partial(StandIn, tmp_path)) as crowd:
            assert (await crowd.aask(tmp_path / "a.png", "?")).answer.endswith("bytes")
            with pytest.raises(InputError, match=r"b\.png does not exist"):
                await crowd.aask(tmp_path / "b.png", "?")

    async def test_errors_come_back_as_what_they_were(self, tmp_path: Path) -> None:
        async with crowd_of(partial(StandIn, tmp_path)) as crowd:
            with pytest.raises(InputError, match="the image is damaged"):
                await crowd.aask(IMAGE, "bad")
            with pytest.raises(InputError, match="here"):
                await crowd.aask(IMAGE, "environment")
            with pytest.raises(RemoteError, match="ZeroDivisionError: of its own") as caught:
                await crowd.aask(IMAGE, "bug")
        assert "in misbehave" in caught.value.__notes__[0]

    async def test_an_agent_that_is_killed_is_replaced_and_nothing_is_lost(
        self, tmp_path: Path
    ) -> None:
        async with crowd_of(partial(StandIn, tmp_path)) as crowd:
            victim = process(await crowd.aask(IMAGE, "?"))
            asked = [asyncio.create_task(crowd.aask(IMAGE, f"wait{n}")) for n in range(12)]
            await waiting(tmp_path, 8)
            os.kill(victim, signal.SIGKILL)
            while crowd.restarts == 0:
                await asyncio.sleep(0.01)
            (tmp_path / "go").touch()
            results = await asyncio.gather(*asked)
            assert victim not in {process(result) for result in results}
            assert crowd.restarts == 1

    async def test_only_the_question_that_kills_is_given_up(self, tmp_path: Path) -> None:
        async with crowd_of(partial(StandIn, tmp_path)) as crowd:
            questions = ["?"] * 4 + ["die"] + ["?"] * 20
            outcomes = await asyncio.gather(
                *(crowd.aask(IMAGE, question) for question in questions), return_exceptions=True
            )
            failed = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
            assert failed == [4]
            assert isinstance(outcomes[4], SpecialistError)
            assert "died 2 times over this question alone" in str(outcomes[4])
            assert 2 <= crowd.restarts <= 3

    @pytest.mark.parametrize("trouble", ["dies", "stuck"])
    async def test_an_agent_that_fails_once_costs_no_question(
        self, tmp_path: Path, trouble: str
    ) -> None:
        hire = Hire(
            agents=1, concurrency=1, num_cpus=0.1, deadline=5.0 if trouble == "stuck" else 900.0
        )
        async with crowd_of(partial(StandIn, tmp_path), hire) as crowd:
            assert (await crowd.aask(IMAGE, f"once {trouble}")).answer
            assert crowd.restarts == 1

    async def test_an_agent_that_is_broken_is_replaced(self, tmp_path: Path) -> None:
        async with crowd_of(partial(StandIn, tmp_path), Hire(agents=1, concurrency=1)) as crowd:
            before = process(await crowd.aask(IMAGE, "?"))
            for question in ("bug", "bug", "?", *("bug",) * BUGS):
                with suppress(RemoteError):
                    assert process(await crowd.aask(IMAGE, question)) == before
            assert process(await crowd.aask(IMAGE, "?")) != before
            assert crowd.restarts == 1

    async def test_agents_that_cannot_be_made_say_why(self) -> None:
        def broken() -> Agent:
            raise SetupError("weights are missing", "reinstall")

        async with crowd_of(broken) as crowd:
            for _ in range(2):
                with pytest.raises(SetupError, match="weights are missing; reinstall"):
                    await crowd.aask(IMAGE, "?")

    async def test_what_the_agents_held_is_added_up_at_the_end(self, tmp_path: Path) -> None:
        hire = Hire(agents=2, num_cpus=0.1)
        async with crowd_of(partial(StandIn, tmp_path), hire) as crowd:
            while crowd.ready < 2:
                await asyncio.sleep(0.01)
            assert crowd.object_store_peak == 0
        assert crowd.object_store_peak == 2000

    async def test_agents_that_die_at_once_are_not_made_for_ever(self) -> None:
        def deadly() -> Agent:
            os._exit(1)

        async with crowd_of(deadly, Hire(agents=1, num_cpus=0.1)) as crowd:
            with pytest.raises(SetupError, match="agents die before they are ready"):
                await crowd.aask(IMAGE, "?")

    async def test_agents_that_fit_nowhere_are_told_at_once(self, tmp_path: Path) -> None:
        make: Any = partial(StandIn, tmp_path)
        crowd = Crowd(make, Hire(agents=1, num_cpus=1, num_gpus=64))
        with pytest.raises(SetupError, match="no node can hold an agent that needs CPU 1, GPU 64"):
            crowd.open()
        await crowd.close()

    async def test_a_real_agent(self, tmp_path: Path, picture: Any) -> None:
        def make() -> Agent:
            store = ImageStore()
            return Agent(
                model=ScriptedModel(["2"]), dispatcher=InlineDispatcher(store, {}), store=store
            )

        async with crowd_of(make, Hire(agents=1, num_cpus=0.1)) as crowd:
            assert (await crowd.aask(picture, "How many?")).answer == "2"
            with pytest.raises(InputError, match="not an image"):
                await crowd.aask(IMAGE, "?")
