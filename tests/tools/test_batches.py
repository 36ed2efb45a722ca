"""What becomes of a batch in which something goes wrong."""

from collections.abc import Sequence

import numpy as np
import pytest

from foveal.agent.actions import Detect
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Detected
from foveal.tools.base import Reply, Request
from foveal.tools.batches import Batches, Outcome, ran_out_of_memory

PIXELS = np.zeros((4, 4, 3), np.uint8)


class Picky:
    """Bears so many requests at once, and none whose phrase is bad."""

    def __init__(self, bears: int = 100, error: Exception | None = None) -> None:
        self.bears, self.error = bears, error or MemoryError()
        self.sizes: list[int] = []

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Echo the phrases."""
        self.sizes.append(len(batch))
        if len(batch) > self.bears:
            raise self.error
        phrases = [request.action.phrase for request in batch if isinstance(request.action, Detect)]
        if "bad" in phrases:
            raise ZeroDivisionError("a bad image")
        if "refused" in phrases:
            raise SpecialistError("detector", "not that")
        if "damaged" in phrases:
            raise SetupError("weights are damaged", "reinstall")
        return [Reply(Detected(phrase=phrase)) for phrase in phrases if phrase != "lost"]


def asked(*phrases: str) -> list[Request]:
    return [Request(Detect(phrase=phrase), "hash", PIXELS) for phrase in phrases]


def said(outcomes: list[Outcome]) -> list[str]:
    return [
        one.observation.phrase
        if isinstance(one, Reply) and isinstance(one.observation, Detected)
        else f"{type(one).__name__}: {one}"
        for one in outcomes
    ]


def test_one_bad_request_costs_only_itself() -> None:
    picky = Picky()
    outcomes = Batches("detector", picky, 8).answers(
        asked("a", "bad", "b", "refused", "c", "damaged")
    )
    assert said(outcomes) == [
        "a",
        "SpecialistError: detector failed: ZeroDivisionError: a bad image",
        "b",
        "SpecialistError: detector failed: not that",
        "c",
        "SetupError: weights are damaged; reinstall",
    ]
    assert picky.sizes == [6, 1, 1, 1, 1, 1, 1]


def test_a_reply_that_is_missing_is_not_passed_to_the_neighbour() -> None:
    outcomes = Batches("detector", Picky(), 8).answers(asked("a", "lost", "b"))
    assert said(outcomes) == [
        "a",
        "SpecialistError: detector failed: gave 0 replies to 1 requests",
        "b",
    ]


def test_running_out_of_memory_halves_the_batch_and_is_remembered() -> None:
    picky = Picky(bears=3)
    batches = Batches("detector", picky, 8)
    phrases = [str(number) for number in range(8)]
    assert said(batches.answers(asked(*phrases))) == phrases
    assert picky.sizes == [8, 4, 2, 2, 2, 2]
    assert (batches.largest, batches.out_of_memory) == (2, 2)
    assert said(batches.answers(asked(*phrases[:4]))) == phrases[:4]
    assert picky.sizes[6:] == [2, 2]


def test_a_request_too_large_alone_is_told() -> None:
    batches = Batches("detector", Picky(bears=0), 4)
    assert (
        said(batches.answers(asked("a", "b")))
        == ["SpecialistError: detector failed: it ran out of memory"] * 2
    )
    assert batches.largest == 1


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("Failed to allocate memory for requested buffer of size 1000"),
    ],
)
def test_the_ways_to_say_out_of_memory(error: Exception) -> None:
    assert ran_out_of_memory(error)
    batches = Batches("detector", Picky(bears=1, error=error), 2)
    assert said(batches.answers(asked("a", "b"))) == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("shapes differ")])
def test_other_errors_are_not_about_memory(error: Exception) -> None:
    assert not ran_out_of_memory(error)
