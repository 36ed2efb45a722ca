"""The official `openai` client, unchanged, against a real server with the embedded profile."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

pytestmark = pytest.mark.slow

TOKEN = "a token of tests"


@pytest.fixture
def client(embedded: str) -> Iterator[openai.OpenAI]:
    """The client, as its users make it."""
    with openai.OpenAI(base_url=embedded, api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def question(example_url: str) -> Any:
    """Three red cubes are on the table."""
    parts = [
        {"type": "text", "text": "How many red cubes are there?"},
        {"type": "image_url", "image_url": {"url": example_url}},
    ]
    return [{"role": "user", "content": parts}]


def test_an_answer(client: openai.OpenAI, question: Any) -> None:
    said = client.chat.completions.create(model="embedded", messages=question)
    assert said.choices[0].message.content == "3"
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens
    assert said.usage.prompt_tokens_details is not None
    assert said.model_extra is not None
    assert len(said.model_extra["foveal"]["evidence"]) == 3


async def test_an_answer_to_the_asynchronous_client(embedded: str, question: Any) -> None:
    async with openai.AsyncOpenAI(base_url=embedded, api_key="none", max_retries=0) as client:
        said = await client.chat.completions.create(model="embedded", messages=question)
        stream = await client.chat.completions.create(
            model="embedded", messages=question, stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert said.choices[0].message.content == "".join(pieces) == "3"


def test_a_stream(client: openai.OpenAI, question: Any) -> None:
    stream = client.chat.completions.create(
        model="embedded",
        messages=question,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = stream
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "3"
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert 'detect "red cube"' in thoughts
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def test_the_clients_own_reading_of_a_stream(client: openai.OpenAI, question: Any) -> None:
    with client.chat.completions.stream(model="embedded", messages=question) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.content == "3"


class Count(BaseModel):
    """What is wanted."""

    count: int


def test_an_answer_as_an_object(client: openai.OpenAI, question: Any) -> None:
    said = client.chat.completions.parse(model="embedded", messages=question, response_format=Count)
    assert said.choices[0].message.parsed == Count(count=3)


def test_options_of_our_own(client: openai.OpenAI, question: Any) -> None:
    body = {"foveal": {"tools": [], "verify": True}}
    said = client.chat.completions.create(model="embedded", messages=question, extra_body=body)
    assert said.model_extra is not None
    assert said.model_extra["foveal"]["hops"] == []


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["embedded"]
    assert client.models.retrieve("embedded").owned_by == "foveal"


def test_errors(client: openai.OpenAI, question: Any, picture_url: str) -> None:
    ask = client.chat.completions.create
    two = [*question[0]["content"], {"type": "image_url", "image_url": {"url": picture_url}}]
    bad = [*question[0]["content"][:1], {"type": "image_url", "image_url": {"url": "data:,x"}}]
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'"):
        ask(model="gpt-9", messages=question)
    with pytest.raises(openai.BadRequestError, match="takes one image") as caught:
        ask(model="embedded", messages=[{"role": "user", "content": two}])
    assert caught.value.param == "messages"
    with pytest.raises(openai.BadRequestError, match="is not an image"):
        ask(model="embedded", messages=[{"role": "user", "content": bad}], stream=True)
    with pytest.raises(openai.BadRequestError, match=r"0\.7 is not supported"):
        ask(model="embedded", messages=question, temperature=0.7)


def test_only_who_has_the_token_is_answered(
    start: Any, question: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_TOKEN", TOKEN)
    server = start(["3"])
    address = f"{server.url}/v1"
    with openai.OpenAI(base_url=address, api_key="another", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError, match="no valid token"):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError, match="no valid token"):
            stranger.chat.completions.create(model="embedded", messages=question)
    with openai.OpenAI(base_url=address, api_key=TOKEN, max_retries=0) as friend:
        said = friend.chat.completions.create(model="embedded", messages=question)
    assert said.choices[0].message.content == "3"
    assert not any(TOKEN in line for line in server.lines)


def test_a_dialogue(client: openai.OpenAI, question: Any) -> None:
    first = client.chat.completions.create(model="embedded", messages=question)
    talk = [
        {"role": "system", "content": "Answer in French."},
        *question,
        first.choices[0].message,
        {"role": "user", "content": "How many green cubes are there?"},
    ]
    said = client.chat.completions.create(model="embedded", messages=talk)
    assert said.model_extra is not None
    assert said.model_extra["foveal"]["hops"][0]["action"] == {
        "kind": "detect",
        "phrase": "green cube",
    }
    notes = said.model_extra["foveal"]["notes"]
    assert [note.partition(":")[0] for note in notes] == [
        "this model knows single questions only",
        "this model follows no instructions",
    ]
