"""Agents side by side in one process, and what is left of them when they are closed: nothing."""

import asyncio
import gc
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.choosing import choose
from foveal.agent.pools import Pool
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.budgets import Budgets

TABLETOP = Path(__file__).parents[2] / "examples" / "tabletop.png"
RELEASED = Path(__file__).parents[1] / "data" / "vpt" / "clip"
QUESTION = "How many red cubes are there?"
RED = "<|detect_start|>red cube<|detect_end|>"


def heavy(agent: Agent) -> list[Any]:
    """The model and the specialists of an agent, weakly."""
    inside: Any = agent
    specialists = inside._dispatcher._specialists.values()
    return [weakref.ref(inside._parts.model.network), *map(weakref.ref, specialists)]


def alive(refs: list[Any]) -> int:
    gc.collect()
    return sum(ref() is not None for ref in refs)


def test_closing_frees_threads_and_models() -> None:
    before = set(threading.enumerate())
    with Agent() as agent:
        talk = agent.conversation(TABLETOP)
        assert talk.ask(QUESTION).answer == "3"
        stream = agent.stream(TABLETOP, QUESTION)
        next(stream)
        refs = heavy(agent)
        assert alive(refs) == len(refs) > 1
        assert {thread.name for thread in threading.enumerate()} > {"foveal", "foveal-model_0"}
    assert set(threading.enumerate()) <= before
    assert alive(refs) == 0, "though agent, conversation and stream are still there"


async def test_an_async_with_frees_threads_tasks_and_models() -> None:
    before, tasks = set(threading.enumerate()), asyncio.all_tasks()
    async with Agent() as agent:
        async for outcome in agent.ask_many([(TABLETOP, QUESTION)] * 3):
            assert outcome.result.answer == "3"
            break
        refs = heavy(agent)
    assert set(threading.enumerate()) <= before
    assert asyncio.all_tasks() == tasks
    assert alive(refs) == 0


def children() -> set[int]:
    """Processes that this one has started and that run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(stat.parent.name))
    return found


@pytest.mark.ray
@pytest.mark.slow
def test_closing_ends_the_ray_that_was_started() -> None:
    import ray

    before, processes = set(threading.enumerate()), children()
    pools = {"detector": Pool(num_cpus=0.1)}
    with Agent(model=ScriptedModel([RED, "3"]), ray=True, pools=pools) as agent:
        assert agent.ask(TABLETOP, QUESTION).answer == "3"
        assert children() > processes
        assert ray.is_initialized()
    assert not ray.is_initialized()
    assert children() <= processes
    left = {thread for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert not left


def test_two_profiles_live_side_by_side() -> None:
    released = choose(None, str(RELEASED))
    budgets = Budgets(hops=1, new_tokens=12, answer_tokens=12)
    with Agent() as embedded, Agent(released, tools="none", budgets=budgets) as other:
        alone = other.ask(TABLETOP, QUESTION)
        outcomes = zip(
            embedded.ask_many([(TABLETOP, QUESTION)] * 4, at_once=2),
            other.ask_many([(TABLETOP, QUESTION)] * 4, at_once=2),
            strict=True,
        )
        for mine, its in outcomes:
            assert (mine.result.answer, its.result.answer) == ("3", alone.answer)
            assert (len(mine.result.hops) > 0, len(its.result.hops)) == (True, 0)
        embedded.close()
        assert other.ask(TABLETOP, QUESTION).answer == alone.answer
