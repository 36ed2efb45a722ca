"""Sessions of one model are computed together, and each gets what it would get alone."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import torch

from foveal.agent.native import engine as engines
from foveal.agent.native.engine import Engine, Steps
from foveal.agent.native.kv import FIRST, KeyValues
from foveal.agent.native.packed import Computed, Stretch
from foveal.agent.transcript import Asked, Noted

QUESTIONS = [
    "What?",
    "How many red cubes are there?",
    "Is there a sign? " * 5,
    "Which colour is the cone left of the sphere?",
    "Where is it?",
]


@pytest.fixture
def engine(native: Any) -> Engine:
    return Engine(native.network)


def stretch(engine: Engine, native: Any, words: str, cache: KeyValues, at: int = 0) -> Stretch:
    ids = torch.tensor(native.ids(words))
    places = torch.arange(at, at + len(ids)).expand(3, -1)
    return Stretch(native.network.get_input_embeddings()(ids), places, cache)


def fed(engine: Engine, native: Any, *texts: str) -> Steps[list[Computed]]:
    """One conversation, a text at a time."""
    cache, made = engine.cache(), []
    for text in texts:
        made.append((yield stretch(engine, native, text, cache, cache.length)))
    return made


def plain(native: Any, text: str) -> torch.Tensor:
    """The same through transformers' own forward."""
    with torch.inference_mode():
        logits: torch.Tensor = native.network(input_ids=torch.tensor([native.ids(text)])).logits[0]
    return logits


def answers(native: Any, shelf: Any, together: bool) -> list[str]:
    async def one(question: str) -> str:
        asked = Asked(image="a" * 64, size=(120, 90), question=question, tools=("detect", "look"))
        session = await native.open([asked], shelf)
        first = await session.act(("look",), max_new_tokens=12)
        await session.observe([Noted(text="look again")])
        return str(first.text + (await session.act((), max_new_tokens=12)).text)

    async def all_of_them() -> list[str]:
        if together:
            return list(await asyncio.gather(*map(one, QUESTIONS)))
        return [await one(question) for question in QUESTIONS]

    return asyncio.run(all_of_them())


def test_sessions_decoded_together_say_what_they_say_alone(native: Any, shelf: Any) -> None:
    before = native.engine.passes
    alone = answers(native, shelf, together=False)
    apart = native.engine.passes - before
    together = answers(native, shelf, together=True)
    assert together == alone
    assert len(set(alone)) > 1
    assert native.engine.passes - before - apart < apart / 2, "they should share their passes"


def test_a_text_in_pieces_beside_others_gives_the_logits_of_one_plain_pass(
    engine: Engine, native: Any
) -> None:
    pieces = [("How many ", "red", " ", "cubes"), ("Is it a cone",), ("W", "h", "y")]
    futures = [engine.submit(fed(engine, native, *texts)) for texts in pieces]
    for texts, future in zip(pieces, futures, strict=True):
        whole = plain(native, "".join(texts))
        states = torch.cat([made.states for made in future.result()])
        with torch.inference_mode():
            assert torch.allclose(native.network.lm_head(states), whole, atol=1e-4)
        assert torch.allclose(future.result()[-1].logits, whole[-1], atol=1e-4)


def test_a_conversation_longer_than_its_first_buffer(engine: Engine, native: Any) -> None:
    text = "abcdefgh" * (FIRST // 8)
    made = engine.run(fed(engine, native, text, "ijk", "l"))
    assert torch.allclose(made[-1].logits, plain(native, f"{text}ijkl")[-1], atol=1e-3)


def test_what_does_not_fit_in_one_pass_waits_for_the_next(
    engine: Engine, native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PASS", 20)
    texts = ["a" * 15, "b" * 30, "c" * 10, "d"]
    futures = [engine.submit(fed(engine, native, text, "!")) for text in texts]
    for text, future in zip(texts, futures, strict=True):
        assert torch.allclose(future.result()[-1].logits, plain(native, f"{text}!")[-1], atol=1e-4)


def test_who_asks_for_the_impossible_fails_alone(engine: Engine, native: Any) -> None:
    gate = Event()

    def patient() -> Steps[list[Computed]]:
        gate.wait()  # until the other has arrived as well
        return (yield from fed(engine, native, "How many", " cubes"))

    def wrong() -> Steps[None]:
        narrow = torch.zeros(2, 7)  # no model is that narrow
        yield Stretch(narrow, torch.zeros(3, 2, dtype=torch.long), engine.cache())

    good, bad = engine.submit(patient()), engine.submit(wrong())
    gate.set()
    with pytest.raises(RuntimeError):
        bad.result()
    whole = plain(native, "How many cubes")
    assert torch.allclose(good.result()[-1].logits, whole[-1], atol=1e-4)


def test_an_error_of_the_work_itself_is_told_to_who_submitted_it(
    engine: Engine, native: Any
) -> None:
    def broken() -> Steps[None]:
        yield stretch(engine, native, "a", engine.cache())
        raise ValueError("told")

    with pytest.raises(ValueError, match="told"):
        engine.run(broken())
    assert len(engine.run(fed(engine, native, "a"))) == 1, "the engine goes on"


def test_work_that_nobody_waits_for_ends(engine: Engine, native: Any) -> None:
    begun, seen = Event(), Event()
    cache = engine.cache()

    def endless() -> Steps[None]:
        try:
            while True:
                begun.set()
                yield stretch(engine, native, "a", cache, cache.length)
        finally:
            seen.set()

    future = engine.submit(endless())
    assert begun.wait(60)
    future.cancel()
    assert seen.wait(60)
    with pytest.raises(CancelledError):
        future.result()
    assert len(engine.run(fed(engine, native, "a"))) == 1


def test_a_small_model_takes_one_core_and_leaves_the_others_to_everybody_else(native: Any) -> None:
    torch.set_num_threads(2)
    engine = Engine(native.network)
    in_the_engine = engine._thread.submit(torch.get_num_threads).result()
    with ThreadPoolExecutor(1) as another:
        assert another.submit(torch.get_num_threads).result() == 2
    assert (in_the_engine, torch.get_num_threads()) == (1, 2)


def test_a_pass_that_failed_leaves_nothing_in_the_cache() -> None:
    cache = KeyValues(2)
    one = torch.ones(2, 3, 4)
    cache.append(0, one, one)
    assert cache.length == 0
    keys, _ = cache.append(0, one * 2, one)
    assert keys.shape == (2, 3, 4)
    assert bool((keys == 2).all())


def test_appending_a_token_copies_nothing() -> None:
    cache = KeyValues(1)
    cache.append(0, torch.ones(2, 5, 4), torch.ones(2, 5, 4))
    cache.grow(5)
    places = set()
    for _ in range(FIRST - 5):
        keys, _ = cache.append(0, torch.ones(2, 1, 4), torch.ones(2, 1, 4))
        cache.grow(1)
        places.add(keys.data_ptr())
    assert (len(places), cache.length) == (1, FIRST)
    assert cache.nbytes == 2 * 2 * FIRST * 4 * 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order: batched or not, the same digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
