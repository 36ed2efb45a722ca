"""A question about several images, through the whole loop, and a trace from before there were any."""

from base64 import b64encode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Detect, Look, Object, Read
from foveal.agent.dialogue import Foveal
from foveal.agent.errors import InputError
from foveal.agent.observations import Detected, Failed
from foveal.agent.scripted import ScriptedModel
from foveal.graphs.agent import Agent
from foveal.graphs.crowd import _read
from foveal.graphs.replay import replay
from foveal.graphs.result import Result
from foveal.graphs.run import run
from foveal.graphs.trace import Started, read
from foveal.tools.store import content_hash

RED = "<|detect_start|>red<|detect_end|>"
RED_2 = "<|detect_start|><|img_2|>red<|detect_end|>"
READ_2 = "<|read_start|><|img_2|><|read_end|>"
LOOK_3 = "<|look_start|><|obj_3|><|look_end|>"
CORNER_2 = "<|region_token_start|><|img_2|><|x_7|><|y_7|><|x_7|><|y_7|><|region_token_end|>"
OLD = Path(__file__).parents[1] / "data" / "traces" / "one-image.jsonl"


@pytest.fixture
def pair(picture: Any) -> list[NDArray[np.uint8]]:
    """The picture with two red squares, and its left two thirds: of another size, with two of them."""
    return [picture, np.ascontiguousarray(picture[:60, :64])]


async def test_every_hop_and_every_box_says_which_image(parts: Any, pair: Any) -> None:
    needed = parts(RED + RED_2, LOOK_3, CORNER_2, "the first")
    result = await run("Which one has more?", pair, needed)
    hashes = tuple(map(content_hash, pair))
    assert (result.answer, result.image, result.images) == ("the first", hashes[0], hashes)
    assert [hop.image for hop in result.hops] == [1, 2, 2, 2]
    first, second = (hop.observation for hop in result.hops[:2])
    assert isinstance(first, Detected)
    assert isinstance(second, Detected)
    assert [found.index for found in (*first.objects, *second.objects)] == [1, 2, 3, 4]
    assert {found.box.image for found in second.objects} == {hashes[1]}
    assert [(piece.label, piece.image) for piece in result.evidence] == [
        ("red square", 1), ("red square", 1), ("red square", 2), ("", 2),
    ]  # fmt: skip
    assert result.evidence[-1].box == (48.0, 45.0, 64.0, 60.0), "cells of the second image"
    assert Result.model_validate_json(result.model_dump_json()) == result


async def test_the_model_is_told_which_image_was_looked_at(parts: Any, pair: Any) -> None:
    needed = parts(RED_2, RED, "two")
    await run("?", pair, needed)
    (session,) = needed.model.sessions
    asked, *rest = session.heard
    assert [one.size for one in asked.images] == [(96, 64), (64, 60)]
    assert [item.image for item in rest if item.kind == "observed"] == [2, 1]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ("<|read_start|><|img_3|><|read_end|>", "there is no image 3; the question came with 2 images"),
        ("<|look_start|><|img_1|><|obj_3|><|look_end|>", "object 3 is in image 2, not in image 1"),
        ("<|depth_start|><|obj_1|><|obj_3|><|depth_end|>", "object 3 is in image 2, not in image 1"),
        ("<|depth_start|><|obj_3|><|x_0|><|y_0|><|x_1|><|y_1|><|depth_end|>", "object 3 is in image 2"),
        ("<|look_start|><|img_2|><|obj_9|><|look_end|>", "there is no object 9"),
    ],
)  # fmt: skip
async def test_what_cannot_be_looked_at_is_told(
    turn: str, reason: str, parts: Any, pair: Any, painter: Any
) -> None:
    result = await run("?", pair, parts(RED + RED_2, turn, "two"))
    refused = result.hops[-1]
    assert isinstance(refused.observation, Failed)
    assert refused.observation.message.startswith(reason)
    assert (refused.image, refused.refused, result.usage.errors) == (None, True, 1)
    assert len(painter.calls) == 2


async def test_the_same_about_another_image_is_another_question(
    parts: Any, pair: Any, painter: Any
) -> None:
    result = await run("?", pair, parts(RED, RED_2, RED_2.replace("img_2", "img_1"), "two"))
    assert painter.calls == [Detect(phrase="red"), Detect(phrase="red", image=2)]
    assert [hop.repeated for hop in result.hops] == [False, False, True]


async def test_one_image_given_twice_is_one_picture_with_two_numbers(
    parts: Any, picture: Any, painter: Any
) -> None:
    result = await run("?", [picture, picture], parts(RED_2, LOOK_3.replace("3", "1"), "two"))
    assert len(set(result.images)) == 1
    assert len(painter.calls) == 2
    assert not any(hop.refused for hop in result.hops)


async def test_a_list_of_one_is_one_image(parts: Any, picture: Any) -> None:
    alone, listed = [await run("?", given, parts(RED, "2")) for given in (picture, [picture])]
    assert listed.images == alone.images == ()
    assert '"image":1' not in listed.model_dump_json()
    told = listed.hops[0].model_dump(exclude={"seconds"})
    assert told == alone.hops[0].model_dump(exclude={"seconds"})


async def test_images_are_let_go_when_the_run_ends(parts: Any, pair: Any, painter: Any) -> None:
    await run("?", pair, parts("two"))
    painter.store.budget = 0
    painter.store.put(np.zeros((2, 2, 3), np.uint8))
    assert not any(content_hash(one) in painter.store for one in pair)


@pytest.mark.parametrize("specialists", ["recorded", "asked again"])
async def test_a_run_about_several_images_is_replayed(
    specialists: str, parts: Any, pair: Any, painter: Any, tmp_path: Path
) -> None:
    needed = parts(RED + RED_2, LOOK_3, READ_2, CORNER_2, "2", trace_dir=tmp_path)
    first = await run("How many?", pair, needed)
    real = (painter, painter.store) if specialists == "asked again" else ()
    again = await replay(str(first.trace), pair, *real)
    assert again.evidence == first.evidence
    assert [(hop.action, hop.image, hop.observation) for hop in again.hops] == [
        (hop.action, hop.image, hop.observation) for hop in first.hops
    ]
    for wrong in ([pair[0]], pair[::-1]):
        with pytest.raises(InputError, match="not the 2 images of the trace"):
            await replay(str(first.trace), wrong)


async def test_a_trace_from_before_there_were_several_is_read_and_replayed(picture: Any) -> None:
    """Written by the version before; what this version writes about one image is the same to the byte."""
    events = read(OLD)
    assert [event.model_dump_json() for event in events] == OLD.read_text().splitlines()
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert started.asked.more == ()
    again = await replay(OLD, picture)
    assert finished.kind == "finished"
    assert (again.answer, again.evidence) == (finished.result.answer, finished.result.evidence)
    assert [hop.action for hop in again.hops] == [
        Detect(phrase="red"), Look(target=Object(index=2)), finished.result.hops[2].action,
    ]  # fmt: skip


@pytest.fixture
def agent(painter: Any) -> Any:
    """Says that the first image has more."""
    with Agent(
        model=ScriptedModel([RED, RED_2, "the first"]), dispatcher=painter, store=painter.store
    ) as made:
        yield made


def test_ask_takes_a_list_of_whatever_is_an_image(agent: Agent, pair: Any, tmp_path: Path) -> None:
    path = tmp_path / "second.png"
    Image.fromarray(pair[1]).save(path)
    for second in (path, str(path), path.read_bytes(), Image.open(path), pair[1]):
        result = agent.ask([pair[0], second], "Which one has more red squares?")
        assert (result.answer, len(result.images)) == ("the first", 2)
        assert result.images[1] == content_hash(pair[1])
    assert len(agent.ask((pair[0], pair[1], path), "?").images) == 3


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([], "there is no image; give at least one"),
        (["-", "-"], "stdin holds one image"),
        ([b"x"] * 17, "17 images are too many; ask about at most 16"),
        ([np.zeros((2, 2, 3), np.uint8), "/nowhere.png"], "/nowhere.png does not exist"),
    ],
)
def test_what_is_no_list_of_images_is_refused(agent: Agent, images: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        agent.ask(images, "?")


class OneAtATime(ScriptedModel):
    """A model that takes one image a question."""

    images = 1


def test_a_model_that_takes_one_image_refuses_two(painter: Any, pair: Any) -> None:
    with Agent(model=OneAtATime(["2"]), dispatcher=painter, store=painter.store) as agent:
        with pytest.raises(
            InputError, match="takes one image a question, got 2; use --profile openai"
        ):
            agent.ask(pair, "?")
        assert agent.ask(pair[:1], "?").answer == "2"


def test_profiles_with_perception_tokens_refuse_two_before_anything_is_loaded(pair: Any) -> None:
    with Agent("embedded") as agent:
        with pytest.raises(InputError, match="profile 'embedded' takes one image"):
            agent.ask(pair, "?")
        assert agent._parts is None


async def test_a_run_refuses_what_its_model_cannot_see(parts: Any, pair: Any) -> None:
    needed = parts("2")
    needed.model.images = Foveal("").images
    with pytest.raises(InputError, match="takes one image a question"):
        await run("?", pair, needed)
    assert Read() not in needed.dispatcher.calls


class Shop(SimpleHTTPRequestHandler):
    """Files of a folder."""

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def test_an_image_may_be_behind_a_url_or_in_one(
    painter: Any, pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(pair[1]).save(tmp_path / "second.png")
    inside = b64encode((tmp_path / "second.png").read_bytes()).decode()
    monkeypatch.setenv("FOVEAL_ALLOW_PRIVATE_URLS", "true")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Shop, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    model = ScriptedModel([RED_2, "the first"])
    try:
        with Agent(model=model, dispatcher=painter, store=painter.store) as agent:
            address = f"http://127.0.0.1:{server.server_port}/second.png"
            result = agent.ask([pair[0], address, f"data:image/png;base64,{inside}"], "?")
    finally:
        server.shutdown()
        server.server_close()
    assert result.images == (content_hash(pair[0]), content_hash(pair[1]), content_hash(pair[1]))
    assert result.hops[0].image == 2


def test_a_conversation_may_be_about_several(painter: Any, pair: Any) -> None:
    model = ScriptedModel([RED + RED_2, "the first", LOOK_3, "small"])
    with (
        Agent(model=model, dispatcher=painter, store=painter.store) as agent,
        agent.conversation(pair) as talk,
    ):
        assert talk.ask("Which one has more?").answer == "the first"
        result = talk.ask("And the first square in the other?")
    assert (result.answer, [hop.image for hop in result.hops]) == ("small", [2])
    assert [(piece.label, piece.image) for piece in result.evidence] == [("red square", 2)]


def test_agents_elsewhere_are_sent_the_bytes_of_every_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"encoded")
    address = "https://example.org/b.png"
    assert _read((path, b"given", address)) == [b"encoded", b"given", address]
    assert (_read(path), _read(address)) == (b"encoded", address)
