"""A question about two images, put to a chat model."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import PERCEPTIONS, Area, Detect, Look, Read
from foveal.agent.chat.mask import Boxes, Masks, turns
from foveal.agent.coordinates import framed
from foveal.agent.errors import ActionError
from foveal.agent.grammar import parse
from foveal.agent.observations import Box, Detected, Found
from foveal.agent.transcript import Acted, Asked, Observed, Original

SIZES = {"a": (120, 90), "b": (280, 224)}
ASKED = Asked(
    image="a", size=SIZES["a"], more=(Original(image="b", size=SIZES["b"]),),
    question="Which one has more cups?", tools=("look", "detect", "read"),
)  # fmt: skip
BOX = Box(image="b", xyxy=(0, 0, 140, 112))
FOUND = Detected(phrase="cup", objects=(Found(index=1, label="cup", box=BOX, score=0.9),))
SEEN = Observed(action=Detect(phrase="cup", image=2), observation=FOUND, image=2)


class Gallery:
    """Two pictures."""

    def pixels(self, image: str) -> NDArray[np.uint8]:
        width, height = SIZES[image]
        return np.full((height, width, 3), ord(image), np.uint8)

    def array(self, key: str) -> NDArray[Any]:
        raise KeyError(key)


@pytest.mark.parametrize(
    "family", ["qwen2_vl", "qwen2_5_vl", "internvl", "llava_onevision", "smolvlm", "llava"]
)
async def test_both_are_shown_before_the_question_with_their_numbers(
    chat: Any, family: str
) -> None:
    session = await chat(family).open([ASKED], Gallery())
    whole = session._conversation.whole
    assert [picture.shape[:2] for picture in whole.pictures] == [(90, 120), (224, 280)]
    places = [
        whole.text.index(words) for words in ("image 1:", "image 2:", "Which one has more cups?")
    ]
    assert places == sorted(places)
    assert "comes with 2 images" in whole.text
    assert (await session.act((), 3)).text


async def test_what_was_seen_is_told_in_the_pixels_of_its_image(chat: Any) -> None:
    session = await chat("qwen2_5_vl").open([ASKED], Gallery())
    await session.act((), 2)
    await session.observe([SEEN])
    prompt = session._conversation.prompt
    right, bottom = session._frame.of(2).shown
    told = f"object 1 (cup) [0, 0, {right // 2}, {bottom // 2}]"
    assert f'in image 2: "cup": 1 found\n{told}' in prompt
    assert f"to {right}, y from 0 (top) to {bottom}" in prompt


async def test_a_conversation_about_two_is_rebuilt(chat: Any) -> None:
    first = await chat("qwen2_vl").open([ASKED], Gallery())
    turn = await first.act((), 4)
    await first.observe([SEEN])
    second = await chat("qwen2_vl").open([ASKED, turn, SEEN], Gallery())
    assert second._conversation.prompt == first._conversation.prompt
    assert (await first.act((), 6)).text == (await second.act((), 6)).text


async def test_what_it_writes_about_the_second_image_is_read_in_it(chat: Any) -> None:
    model = chat("qwen2_5_vl")
    session = await model.open([ASKED], Gallery())
    places = [frame.target for frame in session._frame.each]
    right, bottom = session._frame.of(2).shown
    box = f"[{right // 2}, {bottom // 2}, {right}, {bottom}]"
    text = f"<|look_start|><|img_2|>{box}<|look_end|>"
    assert parse(text, *places) == (Look(target=Area(x0=0.5, y0=0.5, x1=1, y1=1), image=2),)
    await (await model.open([ASKED, Acted(text=text), SEEN], Gallery())).act((), 2)


async def test_what_it_may_name_is_in_the_image_where_it_was_found(chat: Any) -> None:
    session = await chat("qwen2_vl").open([ASKED, Acted(text="a"), SEEN], Gallery())
    assert session._found() == [[], [1]]
    twice = ASKED.model_copy(update={"more": (*ASKED.more, *ASKED.more)})
    session = await chat("qwen2_vl").open([twice, Acted(text="a"), SEEN], Gallery())
    assert session._found() == [[], [1], []]


@pytest.fixture(scope="module")
def masks(chat: Any) -> Masks:
    tokenizer = chat("qwen2_vl").tokenizer
    return Masks(tokenizer, [tokenizer.eos_token_id])


def may_write(masks: Masks, others: list[list[int]], text: str) -> bool:
    """Whether a mask lets a model write a text, in the longest tokens that may come; object 1 is in the first."""
    mask = masks.turn(PERCEPTIONS, (1,), 1000, others)
    spelled = {token: masks.bytes_of(token) for token in range(masks.size)}
    rest = text.encode()
    while rest:
        may = [int(token) for token in np.flatnonzero(mask.allowed())]
        fitting = [one for one in may if spelled[one] and rest.startswith(spelled[one])]
        if not fitting:
            return False
        best = max(fitting, key=lambda token: len(spelled[token]))
        mask.take(best)
        rest = rest[len(spelled[best]) :]
    return True


@pytest.mark.parametrize(
    ("text", "with_two", "with_one"),
    [
        ("<|detect_start|><|img_2|>cup<|detect_end|>", True, False),
        ("<|read_start|><|img_1|><|read_end|>", True, False),
        ("<|look_start|><|img_1|><|obj_1|><|look_end|>", True, False),
        ("<|look_start|><|img_2|><|obj_2|><|look_end|>", True, False),
        ("<|look_start|><|obj_2|><|look_end|>", True, False),
        ("<|look_start|><|obj_1|><|look_end|>", True, True),
        ("<|look_start|><|img_2|><|obj_1|>", False, False),
        ("<|depth_start|><|obj_2|><|obj_3|><|depth_end|>", True, False),
        ("<|depth_start|><|obj_1|>[1, 2, 3, 4]<|depth_end|>", True, True),
        ("<|depth_start|><|img_2|><|obj_3|>[1, 2, 3, 4]<|depth_end|>", True, False),
        ("<|depth_start|><|img_2|><|depth_end|>", True, False),
        ("<|depth_start|><|depth_end|>", True, True),
        ("<|depth_start|><|obj_1|><|obj_2|>", False, False),
        ("<|depth_start|><|obj_2|>[", False, False),
        ("<|clip_action_start|><|img_2|><|clip_action|><|clip_action_end|>", True, False),
        ("<|look_start|><|img_2|>[1, 2, 3, 4]<|look_end|>", True, False),
        ("<|look_start|>[1, 2, 3, 4]<|look_end|>", True, True),
        ("<|look_start|><|img_3|>", False, False),
        ("<|look_start|><|img_2|><|img_1|>", False, False),
        ("<|img_2|>", False, False),
    ],
)
def test_only_images_that_are_there_and_what_is_in_them_can_be_named(
    masks: Masks, text: str, with_two: bool, with_one: bool
) -> None:
    assert (may_write(masks, [[2, 3]], text), may_write(masks, [], text)) == (with_two, with_one)


def test_the_expression_for_one_image_is_as_it_was() -> None:
    assert "img" not in turns(("look", "detect"), (1,), 1000)
    assert "img_2" in turns(("look", "detect"), (1,), 1000, [()])


def test_a_box_has_to_fit_the_image_that_it_is_in() -> None:
    boxes = Boxes(framed("pixels", [((100, 100), (100, 100)), ((400, 400), (400, 400))]))
    assert boxes.fit("<|look_start|><|img_2|>[300, 300, 380, 380]<|look_end|>"[:-12])
    assert not boxes.fit("<|look_start|>[300, 300, 380, 380]")
    assert not boxes.fit("<|look_start|><|img_1|>[300")
    with pytest.raises(ActionError, match="no image 9"):
        boxes.fit("<|look_start|><|img_9|>[3")
    assert parse("<|read_start|><|img_1|><|read_end|>") == (Read(image=1),)
