"""Which server and which model: named, found, or told in one line how to name them; and no key in any of it."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from foveal.agent.errors import InputError, SetupError
from foveal.agent.model import Connected
from foveal.agent.openai.model import OpenAIModel
from foveal.agent.profiles import load, with_server
from foveal.agent.transcript import Asked

ASKED = Asked(image="a" * 64, size=(120, 90), question="How many?", tools=("look",))
KEY = SecretStr("sk-verysecret")

Remote = Callable[..., OpenAIModel]


async def trouble(model: OpenAIModel, shelf: Any) -> str:
    """What the user is told when the first turn cannot be had."""
    with pytest.raises(SetupError) as caught:
        await (await model.open([ASKED], shelf)).act(("look",), 50)
    assert "\n" not in str(caught.value)
    assert KEY.get_secret_value() not in str(caught.value) + repr(caught.value)
    return str(caught.value)


async def test_a_profile_names_everything(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_API_KEY", KEY.get_secret_value())
    profile = with_server(load("openai"), server.url, "seer").model_copy(
        update={"api": "responses", "convention": "grid", "system": "Be brief.", "timeout": 9.0}
    )
    model = OpenAIModel.of(profile)
    assert isinstance(model, Connected)
    assert (model.name, model.convention, model.preface) == ("seer", "grid", "Be brief.")
    assert (model.server.address, model.server.timeout) == (server.url, 9.0)
    assert model.server.secret == KEY.get_secret_value()
    assert KEY.get_secret_value() not in repr(model.server)
    await model.aclose()


def test_a_profile_without_a_server() -> None:
    with pytest.raises(
        SetupError, match=r"'openai' does not say which server.*; add --base-url http"
    ):
        OpenAIModel.of(load("openai"))


async def test_the_key_travels_in_the_header_alone(
    server: Any, remote: Remote, shelf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers(server.turn("2"))
    model = remote(api_key=KEY)
    await (await model.open([ASKED], shelf)).act(("look",), 50)
    (asked,) = server.asked
    assert asked.headers["authorization"] == "Bearer sk-verysecret"
    assert "verysecret" not in str(asked.body) + caplog.text + repr(vars(model))


async def test_without_a_key_a_word_is_sent_that_is_none(
    server: Any, remote: Remote, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "read by the settings or not at all")
    server.answers(server.turn("2"))
    await (await remote().open([ASKED], shelf)).act(("look",), 50)
    assert server.asked[0].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize("key", ["sk verysecret", "sk-very\nsecret", "sk-vérysecret"])
def test_a_key_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(
        SetupError, match=r"FOVEAL_API_KEY .* holds characters that no key"
    ) as caught:
        OpenAIModel("http://localhost:1/v1", "tiny", SecretStr(key))
    assert "secret" not in str(caught.value)


async def test_space_around_a_key_is_no_part_of_it(server: Any, remote: Remote, shelf: Any) -> None:
    server.answers(server.turn("2"))
    model = remote(api_key=SecretStr(" sk-verysecret\n"))
    await (await model.open([ASKED], shelf)).act(("look",), 50)
    assert server.asked[0].headers["authorization"] == "Bearer sk-verysecret"


async def test_the_only_model_of_a_server_need_not_be_named(
    server: Any, remote: Remote, shelf: Any
) -> None:
    server.models = ["the-only-one"]
    server.answers(server.turn("2"))
    model = remote(model="")
    for _ in range(2):
        await (await model.open([ASKED], shelf)).act(("look",), 50)
    assert [body["model"] for body in server.bodies] == ["the-only-one"] * 2
    assert len(server.asked) == 3, "it is looked up once"


async def test_one_of_several_models_must_be_named(server: Any, remote: Remote, shelf: Any) -> None:
    server.models = [f"m{n}" for n in range(12)]
    told = await trouble(remote(model=""), shelf)
    assert "has 12 models: m0, m1, m2, m3, m4, m5, m6, m7, ...; name one with --model" in told
    server.models = []
    assert "has no models; name one with --model" in await trouble(remote(model=""), shelf)


async def test_nobody_is_there(remote: Remote, shelf: Any, waits: list[float]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        told = await trouble(remote(address), shelf)
        assert told.startswith(f"no server answers at {address} (")
        assert told.endswith("; start it, or correct --base-url")
        assert "no server answers" in await trouble(remote(address, model=""), shelf)
    assert not waits, "nobody ever was there"


async def test_somebody_who_was_there_is_waited_for(
    server: Any, remote: Remote, shelf: Any, waits: list[float]
) -> None:
    server.answers(server.turn("2"))
    session = await remote().open([ASKED], shelf)
    await session.act(("look",), 50)
    server.script = lambda body: None  # the connection ends without an answer
    with pytest.raises(SetupError, match="no server answers"):
        await session.act(("look",), 50)
    assert len(waits) == 3


async def test_another_kind_of_server(server: Any, remote: Remote, shelf: Any) -> None:
    address = server.url.removesuffix("/v1")
    told = await trouble(remote(address), shelf)
    assert f"there is no OpenAI-compatible server at {address} (404 Not Found)" in told
    assert "correct --base-url, which mostly ends in /v1" in told
    server.answers(server.raw(404, "<html>Image not found</html>"))
    assert "(404 with a web page)" in await trouble(remote(), shelf)
    server.answers(server.raw(200, "<html>Welcome</html>"))
    assert "broke off: it sent nothing" in await trouble(remote(), shelf)


async def test_a_key_that_is_refused(server: Any, remote: Remote, shelf: Any) -> None:
    server.answers(server.refusal(401, "Incorrect API key provided: sk-verysecret."))
    told = await trouble(remote(api_key=KEY), shelf)
    assert told.endswith("does not accept the key; set FOVEAL_API_KEY to one that it knows")
    assert "wants a key; set FOVEAL_API_KEY" in await trouble(remote(), shelf)


async def test_no_words_of_a_server_give_the_key_away(
    server: Any, remote: Remote, shelf: Any
) -> None:
    for status in (400, 403, 404, 429, 500):
        server.answers(server.refusal(status, "bad header: Bearer sk-verysecret " + "x" * 5000))
        told = await trouble(remote(api_key=KEY), shelf)
        assert "bad header: Bearer ..." in told
        assert len(told) < 600


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, {"error": {"message": "The model `x` does not exist"}}, "has no model 'tiny': The model"),
        (404, {"object": "error", "message": "The model `x` does not exist."}, "has no model 'tiny'"),
        (400, {"detail": "Server is pinned to 'a'; requested 'b'."}, "refuses the request (400 Server is"),
        (422, {"detail": [{"loc": ["body"], "msg": "no"}]}, "refuses the request (422"),
        (400, [{"error": {"message": "not here"}}], "refuses the request (400 not here)"),
        (400, {"error": {"message": "This model's maximum context length is 4096 tokens"}},
         "the conversation is too long for 'tiny'"),
        (400, {"error": "the request exceeds the available context size"}, "is too long for 'tiny'"),
        (500, "", "failed (500"),
    ],
)  # fmt: skip
async def test_what_servers_say_and_how(
    server: Any, remote: Remote, shelf: Any, status: int, body: Any, told: str
) -> None:
    server.answers(server.raw(status, body))
    assert told in await trouble(remote(tool_calls=False), shelf)


async def test_silence(remote: Remote, shelf: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        told = await trouble(remote(address, timeout=0.05), shelf)
    assert f"the server at {address} was silent for 0.05 seconds" in told


async def test_two_sessions_at_once_learn_the_same(server: Any, remote: Remote, shelf: Any) -> None:
    """Both are refused before either knows; neither may take the second refusal for its own fault."""
    server.script = lambda body: (
        server.refusal(400, "this model does not support tools")
        if "tools" in body
        else server.turn("2")
    )
    model = remote()
    sessions = [await model.open([ASKED], shelf) for _ in range(4)]
    turns = await asyncio.gather(*(session.act(("look",), 50) for session in sessions))
    assert {turn.text for turn in turns} == {"2"}


async def test_a_failure_is_one_questions_while_others_are_answered(
    server: Any, remote: Remote, shelf: Any
) -> None:
    """A batch goes on without the question, and ends when nothing is answered any more."""
    model = remote(tool_calls=False)

    async def ask() -> None:
        await (await model.open([ASKED], shelf)).act(("look",), 50)

    for answer in (
        server.refusal(400, "this content is not allowed"),
        server.refusal(400, "maximum context length is 4096 tokens"),
        server.refusal(500, "assertion failed"),
        server.turn("There are", cut=2),
    ):
        server.answers(server.turn("2"))
        await ask()
        server.answers(answer)
        with pytest.raises(InputError, match=r"\(400 this|too long|\(500 ass|broke off"):
            await ask()
    for _ in range(3):
        with pytest.raises(InputError):
            await ask()
    with pytest.raises(SetupError):
        await ask()


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_what_every_question_meets_is_never_one_questions(
    server: Any, remote: Remote, shelf: Any, status: int
) -> None:
    server.answers(server.turn("2"), server.refusal(status, "no", retry_after="999"))
    session = await remote().open([ASKED], shelf)
    await session.act(("look",), 50)
    with pytest.raises(SetupError):
        await session.act(("look",), 50)
