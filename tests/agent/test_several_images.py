"""Several images of one question: in JSON, in the grammar, in tool calls, in the words that a model is told."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from foveal.agent.actions import (
    MAX_IMAGES,
    PERCEPTIONS,
    Action,
    Area,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.calls import action_of, arguments_of, parameters
from foveal.agent.capabilities import manual, schemas
from foveal.agent.coordinates import framed
from foveal.agent.dialogue import Foveal
from foveal.agent.errors import ActionError
from foveal.agent.grammar import IMAGE_TOKENS, PERCEPTION_TOKENS, parse, render
from foveal.agent.model import Sighted
from foveal.agent.observations import Box, Detected, Failed, Found
from foveal.agent.scripted import ScriptedModel
from foveal.agent.telling import observed, told
from foveal.agent.transcript import Asked, Injected, Noted, Observed, Original
from foveal.agent.vpt import Paper

ACTION: TypeAdapter[Action] = TypeAdapter(Action)
FIRST, SECOND = (640, 480), (1280, 960)
AREA = Area(x0=0.1, y0=0.2, x1=0.5, y1=0.75)
REGION = Region(x0=1, y0=2, x1=3, y1=4)
ALL: list[Perception] = [
    Look(target=AREA, image=2),
    Look(target=Object(index=1), image=2),
    Reencode(encoder="seg", image=2),
    Detect(phrase="red cube", image=1),
    Segment(target=AREA, image=2),
    Depth(targets=(AREA, Object(index=2)), image=2),
    Depth(image=2),
    Read(image=2),
    Read(target=AREA, image=1),
]


def test_json_about_one_image_is_as_it_was() -> None:
    look = Look(target=Object(index=2))
    assert look.model_dump_json() == '{"kind":"look","target":{"kind":"object","index":2}}'
    asked = Asked(image="a", size=(2, 1), question="?")
    assert set(json.loads(asked.model_dump_json())) == {
        "kind", "by", "image", "size", "question", "tools", "answer_schema",
    }  # fmt: skip
    assert asked.images == (Original(image="a", size=(2, 1)),)


@pytest.mark.parametrize("action", ALL, ids=lambda action: action.model_dump_json())
def test_an_image_that_is_named_survives_json(action: Perception) -> None:
    assert json.loads(action.model_dump_json())["image"] == action.image
    assert ACTION.validate_json(action.model_dump_json()) == action


def test_the_images_of_a_question_survive_json_and_are_numbered_from_one() -> None:
    more = tuple(Original(image=name, size=(3, 4)) for name in "bc")
    asked = Asked(image="a", size=(2, 1), more=more, question="?")
    assert Asked.model_validate_json(asked.model_dump_json()) == asked
    assert [asked.picked(number).image for number in (None, 1, 2, 3)] == ["a", "a", "b", "c"]


def test_there_is_an_end_to_them() -> None:
    more = (Original(image="b", size=(1, 1)),)
    Asked(image="a", size=(1, 1), question="?", more=more * (MAX_IMAGES - 1))
    with pytest.raises(ValidationError):
        Asked(image="a", size=(1, 1), question="?", more=more * MAX_IMAGES)
    for number in (0, MAX_IMAGES + 1):
        with pytest.raises(ValidationError):
            Read(image=number)


@pytest.mark.parametrize("action", ALL, ids=render)
def test_the_image_stands_first_in_an_action_and_is_read_again(action: Perception) -> None:
    shown = [(FIRST, FIRST)] * MAX_IMAGES
    places = framed("thousand", shown).each
    spelled = render(action, places[(action.image or 1) - 1].spelled)
    assert spelled.partition("|>")[2].startswith(IMAGE_TOKENS[(action.image or 1) - 1])
    assert parse(f"So: {spelled}", *(frame.target for frame in places)) == (action,)


def test_cells_are_read_in_the_image_that_is_named() -> None:
    look = Look(target=REGION, image=MAX_IMAGES)
    cells = "<|x_1|><|y_2|><|x_3|><|y_4|>"
    assert render(look) == f"<|region_token_start|><|img_16|>{cells}<|region_token_end|>"
    assert parse(render(look)) == (look,)


def test_no_vocabulary_has_the_numbers_of_images() -> None:
    assert not set(IMAGE_TOKENS) & set(PERCEPTION_TOKENS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<|img_2|><|detect_start|>cup<|detect_end|>", "stands outside an action"),
        ("both, <|img_2|> too", "stands outside an action"),
        ("<|read_start|><|img_1|><|img_2|><|read_end|>", "names 2 images; an action is about one"),
        ("<|read_start|><|img_3|><|read_end|>", "no image 3; the question came with 2 images"),
        ("<|detect_start|><|img_2|><|detect_end|>", "takes a phrase"),
        ("<|look_start|><|img_2|>[0, 0, 645, 9999]<|look_end|>", "outside the image"),
    ],
)
def test_what_is_wrong_with_an_image_is_said(text: str, reason: str) -> None:
    frame = framed("pixels", [(FIRST, FIRST), (SECOND, SECOND)])
    with pytest.raises(ActionError, match=reason):
        parse(text, *(one.target for one in frame.each))


def test_a_box_counts_in_the_image_that_it_is_in() -> None:
    """In pixels: half of the second image would be all of the first."""
    frame = framed("pixels", [(FIRST, FIRST), (SECOND, SECOND)])
    box = "[0, 0, 640, 480]"
    actions = parse(
        f"<|look_start|>{box}<|look_end|><|look_start|><|img_2|>{box}<|look_end|>",
        *(one.target for one in frame.each),
    )
    halves = [action.target for action in actions if isinstance(action, Look)]
    assert halves == [Area(x0=0, y0=0, x1=1, y1=1), Area(x0=0, y0=0, x1=0.5, y1=0.5)]
    call = {"image": 2, "box": [0, 0, 640, 480], "object": None}
    assert action_of("look", call, "pixels", FIRST, (), [SECOND]) == actions[1]


@pytest.mark.parametrize("kind", PERCEPTIONS)
def test_a_tool_has_a_place_for_the_image_where_there_are_several(kind: Any) -> None:
    one, three = parameters(kind, "thousand"), parameters(kind, "thousand", 3)
    assert "image" not in one["properties"]
    image = three["properties"].pop("image")
    assert image["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 3}, {"type": "null"}]
    assert three["required"] == ["image", *one["required"]]
    assert three["properties"] == one["properties"]
    assert schemas([kind], "thousand", 3)[0]["parameters"]["required"][0] == "image"


@pytest.mark.parametrize("action", [one for one in ALL if one.image == 2])
@pytest.mark.parametrize("convention", ["thousand", "pixels"])
def test_arguments_are_the_inverse_of_actions(action: Perception, convention: Any) -> None:
    frame = framed(convention, [(FIRST, FIRST), ((2000, 1000), (2000, 1000))])
    arguments = arguments_of(action, frame)
    assert arguments["image"] == 2
    sizes = [one.shown for one in frame.each]
    assert action_of(action.kind, arguments, convention, sizes[0], (1, 2), sizes[1:]) == action
    again = action.model_copy(update={"image": None})
    assert arguments_of(again, frame)["image"] is None


@pytest.mark.parametrize("image", [None, 0, "", 1])
def test_a_call_about_one_image_may_say_so(image: Any) -> None:
    call = action_of("detect", {"phrase": "cup", "image": image}, "thousand", FIRST, ())
    assert call in (Detect(phrase="cup"), Detect(phrase="cup", image=1))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (2, "there is no image 2; the question came with one"),
        (99, "less than or equal to 16"),
        ("second", "valid integer"),
    ],
)
def test_a_call_about_an_image_that_is_not_there_is_refused(image: Any, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        action_of("read", {"image": image}, "thousand", FIRST, ())


def test_the_manual_tells_how_to_name_an_image() -> None:
    frame = framed("thousand", [(FIRST, FIRST), (SECOND, SECOND)])
    spelled, called = manual(["detect"], frame), manual(["detect"], frame, spelled=False)
    assert "comes with 2 images, numbered from 1" in spelled
    assert "as <|detect_start|><|img_2|>red cube<|detect_end|>" in spelled
    assert "comes with 2 images" in called
    assert "<|" not in called
    assert manual([], frame) == "Answer the question about the images, in a few plain words."


def test_the_manual_tells_the_size_of_each_image_where_boxes_count_pixels() -> None:
    frame = framed("pixels", [(FIRST, FIRST), (SECOND, SECOND)])
    words = manual(["look"], frame)
    assert "in image 1 x from 0 (left) to 640, y from 0 (top) to 480" in words
    assert "in image 2 x from 0 (left) to 1280, y from 0 (top) to 960" in words
    assert "in image" not in manual(["look"], framed("pixels", [(FIRST, FIRST)]))


def test_what_was_seen_is_told_with_its_image_and_in_its_coordinates() -> None:
    frame = framed("pixels", [(FIRST, FIRST), (SECOND, SECOND)])
    box = Box(image="b", xyxy=(0, 0, 1280, 960))
    seen = Detected(phrase="cup", objects=(Found(index=3, label="cup", box=box, score=0.5),))
    items: list[Injected] = [
        Observed(action=Detect(phrase="cup", image=2), observation=seen, image=2),
        Observed(action=Read(image=3), observation=Failed(error="action", message="no image 3")),
        Noted(text="Now answer."),
    ]
    assert told(items, frame) == [
        'in image 2: "cup": 1 found\nobject 3 (cup) [0, 0, 1280, 960], score 0.50\n'
        "error: no image 3\nNow answer."
    ]
    assert observed(seen, framed("pixels", [(SECOND, SECOND)])) == [
        '"cup": 1 found\nobject 3 (cup) [0, 0, 1280, 960], score 0.50'
    ]


@pytest.mark.parametrize("dialect", [Foveal(""), Paper()])
def test_models_with_perception_tokens_say_that_they_take_one(dialect: Any) -> None:
    assert isinstance(dialect, Sighted)
    assert dialect.images == 1


def test_a_model_that_says_nothing_takes_any() -> None:
    assert not isinstance(ScriptedModel([]), Sighted)
