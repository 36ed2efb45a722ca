"""What every backend owes the loop, whichever model is behind it."""

from typing import Any

import pytest

from foveal.agent.actions import PERCEPTIONS, Answer, PerceptionKind
from foveal.agent.errors import ActionError, InputError
from foveal.agent.model import PerceptionModel, Session, Sighted, Usage
from foveal.agent.openai.model import OpenAIModel
from foveal.agent.scripted import ScriptedModel
from foveal.agent.transcript import Asked, Item, Noted, Original

ASKED = Asked(image="a" * 64, size=(120, 90), question="How many?", tools=("detect",))
SCRIPT = ("<|detect_start|>cube<|detect_end|>", "2", "3", "4")


@pytest.fixture(
    params=[
        "scripted",
        "native",
        "chat",
        "chat-afresh",
        "openai",
        "openai-responses",
        "openai-text",
    ]
)
def model(request: pytest.FixtureRequest) -> PerceptionModel:
    if request.param == "scripted":
        return ScriptedModel(SCRIPT)
    if request.param.startswith("openai"):
        return served(request, request.param.removeprefix("openai").removeprefix("-"))
    if request.param.startswith("chat"):
        chat: PerceptionModel = request.getfixturevalue("chat")(
            "llava" if request.param == "chat-afresh" else "smolvlm"
        )
        return chat
    made: PerceptionModel = request.getfixturevalue("native")
    return made


def served(request: pytest.FixtureRequest, way: str) -> PerceptionModel:
    """A server that says the script, with the call as a call, or in text."""
    server, remote = request.getfixturevalue("server"), request.getfixturevalue("remote")
    call = (
        server.turn(SCRIPT[0])
        if way == "text"
        else server.turn(calls=[("detect", {"phrase": "cube"})])
    )
    server.recites(call, *map(server.turn, SCRIPT[1:]))
    made: PerceptionModel = remote(
        api="responses" if way == "responses" else "chat", tool_calls=way != "text"
    )
    return made


def allowed(model: PerceptionModel) -> tuple[PerceptionKind, ...]:
    """What the first turn may do: who recites begins with a call, a random network never ends one."""
    return ("detect",) if isinstance(model, ScriptedModel | OpenAIModel) else ()


async def turns(session: Session, count: int) -> list[Any]:
    """Some turns with every tool, each followed by a note; malformed ones as their message."""
    said: list[Any] = []
    for _ in range(count):
        try:
            said.append(await session.act(PERCEPTIONS, 12))
        except ActionError as error:
            said.append(str(error))
        await session.observe([Noted(text="go on")])
    return said


async def test_a_model_has_a_name(model: PerceptionModel) -> None:
    assert model.name


async def test_a_turn_is_what_the_model_emitted_and_can_be_kept(
    model: PerceptionModel, shelf: Any
) -> None:
    session = await model.open([ASKED], shelf)
    for turn in await turns(session, 3):
        if not isinstance(turn, str):
            assert (turn.kind, turn.by) == ("acted", "emitted")
            assert turn.actions
            assert turn.confidence is None or 0 <= turn.confidence <= 1
            assert type(turn).model_validate_json(turn.model_dump_json()) == turn
    session.close()


async def test_with_no_tools_a_turn_is_an_answer_or_an_action_error(
    model: PerceptionModel, shelf: Any
) -> None:
    session = await model.open([ASKED], shelf)
    for _ in range(3):
        try:
            turn = await session.act((), 12)
        except ActionError:
            continue
        assert [type(action) for action in turn.actions] == [Answer]


async def test_it_is_asked_about_two_images_or_refuses_them(
    model: PerceptionModel, shelf: Any
) -> None:
    two = ASKED.model_copy(update={"more": (Original(image=ASKED.image, size=ASKED.size),)})
    if isinstance(model, Sighted):
        assert model.images == 1
        with pytest.raises(InputError, match="at most 1 image a question"):
            await model.open([two], shelf)
        return
    session = await model.open([two], shelf)
    assert (await session.act(allowed(model), 12)).actions


async def test_usage_only_grows(model: PerceptionModel, shelf: Any) -> None:
    session = await model.open([ASKED], shelf)
    before = session.usage
    assert isinstance(before, Usage)
    await turns(session, 2)
    after = session.usage
    assert after.emitted > before.emitted
    assert (after.prefilled, after.visual) >= (before.prefilled, before.visual)


async def test_what_is_streamed_is_how_the_turn_begins(model: PerceptionModel, shelf: Any) -> None:
    heard: list[str] = []
    session = await model.open([ASKED], shelf)
    turn = await session.act(allowed(model), 12, heard.append)
    assert turn.text.startswith("".join(heard))


async def test_the_same_transcript_goes_on_the_same(model: PerceptionModel, shelf: Any) -> None:
    items: list[Item] = [ASKED]
    first = await model.open(items, shelf)
    turn = await first.act(allowed(model), 12)
    note = Noted(text="go on")
    await first.observe([note])
    second = await model.open([ASKED, turn, note], shelf)
    assert (await first.act((), 12)).text == (await second.act((), 12)).text
