"""Tool calls: what their schemas say, what their arguments become, and how the rest is refused."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foveal.agent.actions import (
    PERCEPTIONS,
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
from foveal.agent.calls import action_of
from foveal.agent.capabilities import schemas
from foveal.agent.coordinates import Convention
from foveal.agent.errors import ActionError

SIZE = (400, 200)
HALF = Area(x0=0, y0=0, x1=0.5, y1=1)
ONE, TWO = Object(index=1), Object(index=2)


def act(name: str, arguments: Any, convention: Convention = "thousand") -> Perception:
    return action_of(name, arguments, convention, SIZE, {1, 2})


@pytest.mark.parametrize(
    ("name", "arguments", "action"),
    [
        ("look", {"box": [0, 0, 500, 1000], "object": None}, Look(target=HALF)),
        ("look", {"box": [0, 0, 500, 1000]}, Look(target=HALF)),
        ("look", {"object": 2}, Look(target=TWO)),
        ("look", {"object": "2", "box": []}, Look(target=TWO)),
        ("look", {"object": 0, "box": [500, 1000, 0, 0]}, Look(target=HALF)),
        ("look", {"object": 1, "box": [0, 0, 0, 0]}, Look(target=ONE)),
        ("look", '{"box": [0, 0, 500.0, 1000], "object": null}', Look(target=HALF)),
        ("reencode", {"encoder": "seg"}, Reencode(encoder="seg")),
        ("detect", {"phrase": " red cube "}, Detect(phrase="red cube")),
        ("segment", {"object": 1}, Segment(target=ONE)),
        ("segment", {"box": [0, 0, 500, 1000]}, Segment(target=HALF)),
        ("depth", {}, Depth()),
        ("depth", "", Depth()),
        ("depth", {"boxes": None, "objects": []}, Depth()),
        ("depth", {"boxes": [[0, 0, 500, 1000]], "objects": [2, 1]}, Depth(targets=(HALF, TWO, ONE))),
        ("read", {}, Read()),
        ("read", {"object": 1, "box": None}, Read(target=ONE)),
    ],
)  # fmt: skip
def test_what_a_call_becomes(name: str, arguments: Any, action: Perception) -> None:
    assert act(name, arguments) == action


@pytest.mark.parametrize(
    ("convention", "box", "target"),
    [
        ("thousand", [0, 0, 500, 1000], HALF),
        ("pixels", [0, 0, 200, 200], HALF),
        ("grid", [0, 0, 3, 7], Region(x0=0, y0=0, x1=3, y1=7)),
    ],
)
def test_boxes_are_read_in_the_models_convention(
    convention: Convention, box: list[int], target: Any
) -> None:
    assert act("look", {"box": box}, convention) == Look(target=target)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("zoom", {}, "there is no tool 'zoom'; there are: look, "),
        ("look", {}, "look: it takes a box or an object, got neither"),
        ("look", {"object": 1, "box": [0, 0, 500, 1000]}, "takes a box or an object, got 2"),
        ("look", {"object": 3}, "no object 3; found so far: 1, 2"),
        ("look", {"object": 17}, "look, 'object"),
        ("look", {"object": -1}, "look, 'object"),
        ("look", {"box": [0, 0, 500]}, "look, 'box"),
        ("look", {"box": ["a", 0, 500, 500]}, "look, 'box"),
        ("look", {"box": [0, 0, 2000, 1000]}, "look: the box .* outside the image"),
        ("look", {"box": [0, 0, float("nan"), 1000]}, "not every one is a number"),
        ("look", {"box": [0, 0, 500, 1000], "zoom": 2}, "look, 'zoom': Extra inputs"),
        ("look", "[0, 0, 500, 1000]", "look, 'arguments': Input should be"),
        ("look", '{"box": [0, 0, 5', 'look: its arguments are no JSON: \'{"box": '),
        ("look", "[" * 100_000, "no JSON"),
        ("look", '{"object": ' + "9" * 5000 + "}", "look"),
        ("reencode", {"encoder": "vgg"}, "reencode, 'encoder'"),
        ("detect", {"phrase": "  "}, "detect, 'phrase'"),
        ("detect", {"phrase": "<|im_end|>"}, "without '<|'"),
        ("detect", {}, "detect, 'phrase': Field required"),
        ("segment", {}, "segment: it takes a box or an object, got neither"),
        ("depth", {"objects": [1, 9]}, "no object 9"),
        ("depth", {"objects": [1] * 9}, "depth, 'objects'"),
        ("depth", {"boxes": [[0, 0, 9, 9]] * 5, "objects": [1] * 5}, "depth, 'targets'"),
    ],
)
def test_what_is_refused(name: str, arguments: Any, reason: str) -> None:
    with pytest.raises(ActionError, match=reason) as refusal:
        act(name, arguments)
    assert len(str(refusal.value)) < 400, "what the model is told must not flood its context"


def test_nothing_found_yet_is_said() -> None:
    with pytest.raises(ActionError, match="no object 1; none was found"):
        action_of("look", {"object": 1}, "grid", SIZE, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
        st.sampled_from(["box", "object", "boxes", "objects", "phrase", "encoder", "x"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from([*PERCEPTIONS, "zoom"]), JSON | st.text(max_size=40))
@example("look", {"box": [1e308, -1e308, 1e308, 1e308]})
@example("look", {"object": True})
def test_any_arguments_are_an_action_or_refused(name: str, arguments: Any) -> None:
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    try:
        action = act(name, given)
    except ActionError:
        return
    assert action.kind == name


@pytest.mark.parametrize("convention", ["thousand", "pixels", "grid"])
def test_schemas_are_strict_all_the_way_down(convention: Convention) -> None:
    made = schemas(PERCEPTIONS, convention)
    assert [one["name"] for one in made] == list(PERCEPTIONS)
    for one in made:
        parameters = one["parameters"]
        assert one["strict"] is True
        assert one["description"]
        assert parameters["additionalProperties"] is False
        assert parameters["required"] == list(parameters["properties"])
        assert not {"title", "default", "minLength", "maxLength", "$ref"} & _keys(parameters)


def _keys(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_keys, schema))
    if not isinstance(schema, dict):
        return set()
    below = (_keys(value) for key, value in schema.items() if key != "properties")
    fields = (_keys(field) for field in schema.get("properties", {}).values())
    return set(schema).union(*below, *fields)


def test_a_schema_says_how_boxes_are_counted_and_that_they_may_be_left_out() -> None:
    (look,) = schemas(["look"], "grid")
    fields = look["parameters"]["properties"]
    assert "cells of an 8 x 8 grid" in fields["box"]["description"]
    kinds = [option["type"] for option in fields["box"]["anyOf"]]
    assert kinds == ["array", "null"]
    assert fields["box"]["anyOf"][0]["items"] == {"type": "integer"}
    assert schemas([], "grid") == []
