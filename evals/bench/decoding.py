"""Eight conversations with one model: decoded together, and one after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from foveal.agent.model import Session
from foveal.agent.transcript import Asked
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.row import Finding, more_often
from foveal.evals.bench.steered import steered
from foveal.evals.bench.timing import in_turn
from foveal.tools.extras import needs
from foveal.tools.store import ImageStore

if TYPE_CHECKING:
    from foveal.agent.native.model import NativeModel

SESSIONS = 8
TOKENS, ROUNDS = 32, 5
"""Decoded by the tiny model in each session and round, and rounds."""
FEW_TOKENS, FEW_ROUNDS = 2, 2
"""The same for the large one."""
SIZE = (448, 448)
TOGETHER, SINGLY = "together", "one by one"

Decode = Callable[[Sequence[Session], int], Awaitable[None]]
"""As many tokens in every session."""


def tiny(rounds: int | None) -> Mapping[str, Finding]:
    """The embedded model."""
    with needs("models"):
        from foveal.evals.bench.models import embedded
    return {"decode-8-tiny": compared(embedded(), TOKENS, rounds or ROUNDS)}


def large(rounds: int | None) -> Mapping[str, Finding]:
    """A model of the size of Qwen2-VL-2B, in bfloat16."""
    with needs("models"):
        from foveal.evals.bench.models import GLANCE, TWO_BILLION, random_model
    model = random_model(TWO_BILLION, GLANCE)
    return {"decode-8-2b": compared(model, FEW_TOKENS, rounds or FEW_ROUNDS)}


def compared(model: "NativeModel", tokens: int, rounds: int) -> Finding:
    """Tokens per second over all sessions; every round goes on where the last one ended."""
    steered(model)
    with asyncio.Runner() as runner:
        sessions = runner.run(_opened(model))
        contenders = {
            TOGETHER: lambda: runner.run(_rate(_together, sessions, tokens)),
            SINGLY: lambda: runner.run(_rate(_singly, sessions, tokens)),
        }
        samples = in_turn(contenders, rounds)
    return more_often(samples, TOGETHER, SINGLY, "tokens/s")


async def _opened(model: "NativeModel") -> list[Session]:
    """Each with a question of another length."""
    store = ImageStore()
    image = store.put(photograph(*SIZE))
    return [
        await model.open(
            [Asked(image=image, size=SIZE, question="How many " + "very " * n + "red cubes?")],
            store,
        )
        for n in range(SESSIONS)
    ]


async def _rate(decode: Decode, sessions: Sequence[Session], tokens: int) -> float:
    before = _emitted(sessions)
    began = time.perf_counter()
    await decode(sessions, tokens)
    seconds = time.perf_counter() - began
    return (_emitted(sessions) - before) / seconds


def _emitted(sessions: Sequence[Session]) -> int:
    return sum(session.usage.emitted for session in sessions)


async def _together(sessions: Sequence[Session], tokens: int) -> None:
    await asyncio.gather(*(session.act((), tokens) for session in sessions))


async def _singly(sessions: Sequence[Session], tokens: int) -> None:
    for session in sessions:
        await session.act((), tokens)
