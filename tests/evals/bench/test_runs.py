"""The run of ten hops goes where it should, and its parts are what is measured."""

import asyncio

import pytest

from foveal.evals.bench import segmenting
from foveal.evals.bench.checkpoint import checkpoint
from foveal.evals.bench.overhead import overhead, per_hop
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.ten_hops import ANSWER, HOPS, QUESTION, crew, parts
from foveal.graphs.run import run
from foveal.tools.store import ImageStore


@pytest.mark.parametrize("hops", [0, 3, 10, 13])
async def test_every_hop_asks_a_specialist_and_gets_an_answer(hops: int) -> None:
    specialists, made = crew()
    working = parts(hops, ImageStore(), specialists)
    result = await run(QUESTION, photograph(64, 48), working)
    await working.dispatcher.close()
    assert result.answer == ANSWER
    assert result.ended_by == "answer"
    assert [hop.observation.kind for hop in result.hops].count("failed") == 0
    assert all(hop.specialist and not hop.repeated for hop in result.hops)
    assert len(result.hops) == hops
    assert (sum(one.seconds for one in made.values()) > 0) == (hops > 0)


def test_the_kinds_of_action_are_mixed() -> None:
    assert len(HOPS) == 10
    starts = {turn.partition("|>")[0] for turn in HOPS}
    assert len(starts) == 6


def test_overhead_is_per_hop() -> None:
    assert set(overhead(1)) == {"hop-overhead"}
    assert asyncio.run(per_hop(2)) > 0


def test_the_latest_checkpoint_is_smaller_than_all_of_them() -> None:
    numbers = checkpoint(None)["checkpoint-size"].numbers
    assert 20 < numbers["measured"] <= numbers["limit"] == 64
    assert numbers["keeping every step"] > 4 * numbers["measured"]


def test_a_second_prompt_encodes_nothing() -> None:
    found = segmenting.embedded(2)["segment-again-embedded"]
    assert set(found.numbers) == {segmenting.FIRST, segmenting.AGAIN}


def test_pictures_are_always_the_same_and_cannot_be_written_to() -> None:
    one = photograph(64, 48)
    assert one.shape == (48, 64, 3)
    assert one is photograph(64, 48)
    assert not one.flags.writeable
    assert one.std() > 10
