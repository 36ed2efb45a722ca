"""Streams that are quiet for a while, and words that turn out to be no answer."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from foveal.agent.actions import Answer, Detect
from foveal.agent.transcript import Acted, Asked
from foveal.graphs.budgets import Budgets, Spent
from foveal.graphs.result import Result
from foveal.graphs.trace import Finished, Said, Started, Thought
from foveal.http.streaming import EventStream, patiently
from foveal.http.telling import Teller

ASKED = Asked(image="i", size=(8, 8), question="How many?")
STARTED = Started(
    run="r", asked=ASKED, profile="p", model="m", budgets=Budgets(), version="1"
)  # without tools


def thought(text: str, *actions: Any, error: str | None = None) -> Thought:
    acted = Acted(text=text, actions=actions)
    return Thought(turn=1, acted=acted, spent=Spent(), seconds=0, error=error)


def finished(answer: str) -> Finished:
    result: Result = Result(
        answer=answer, confidence=None, hops=(), evidence=(), ended_by="answer", usage=Spent(),
        seconds=0, trace=None, notes=(), run="r", image="i",
    )  # fmt: skip
    return Finished(result=result)


def told(*events: Any) -> list[dict[str, str]]:
    teller = Teller(fitting=False)
    return [delta for event in events for delta in teller.hear(event)]


async def test_silence_is_noticed_without_losing_what_comes() -> None:
    go = asyncio.Event()

    async def events() -> AsyncGenerator[int, None]:
        yield 1
        await go.wait()
        yield 2

    heard: list[int | None] = []
    async for event in patiently(events(), seconds=0.001):
        heard.append(event)
        if len(heard) == 3:
            go.set()
    assert heard[:3] == [1, None, None]
    assert heard[-1] == 2


async def test_a_comment_keeps_a_stream_open_but_does_not_begin_it() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    stream = EventStream(send)
    await stream.wait()
    assert (stream.begun, sent) == (False, [])
    await stream.say({"a": "\u00e9"})
    await stream.wait()
    await stream.end()
    assert sent[0]["status"] == 200
    bodies = [message["body"] for message in sent[1:]]
    assert bodies == [
        'data: {"a": "\u00e9"}\n\n'.encode(),
        b": still looking\n\n",
        b"data: [DONE]\n\n",
        b"",
    ]


def test_words_come_as_they_are_written_and_space_only_when_it_matters() -> None:
    pieces = [Said(turn=1, text=text) for text in (" ", "two", " ", "red ", "ones", " ")]
    answer = finished("two red ones")
    deltas = told(STARTED, *pieces, thought(" two red ones ", Answer(text="two red ones")), answer)
    assert deltas == [{"content": "two"}, {"content": " red"}, {"content": " ones"}]


def test_an_action_that_was_not_to_be_written_is_no_part_of_the_answer() -> None:
    pieces = [Said(turn=1, text=text) for text in ("two", "<|detect_start|>", "x")]
    deltas = told(STARTED, *pieces, thought("", error="no tools"), finished("two"))
    assert [delta for delta in deltas if "content" in delta] == [{"content": "two"}]


def test_words_of_a_turn_that_could_not_be_read_are_followed_by_the_answer() -> None:
    deltas = told(STARTED, Said(turn=1, text="three"), thought("", error="bad"), finished("2"))
    assert "".join(delta.get("content", "") for delta in deltas) == "three\n2"


def test_what_a_model_says_beside_its_actions_is_on_the_way() -> None:
    beside = thought("Let me see.", Answer(text="Let me see."), Detect(phrase="dog"))
    assert told(beside) == [{"reasoning_content": "Let me see.\n"}]
