"""Who said what, numbered once, and the same after a trip through JSON."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from foveal.agent.actions import (
    MAX_OBJECTS,
    Action,
    Answer,
    Depth,
    Detect,
    Look,
    Object,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
    VisualTokens,
)
from foveal.agent.transcript import (
    Acted,
    Asked,
    Item,
    Noted,
    Observed,
    found_objects,
    numbered,
)

BOX = Box(image="a" * 64, xyxy=(0, 1.5, 20, 30))
VIEW = View(role="mask", pixels=BOX, source=BOX, tokens=VisualTokens(key="k", grid=(1, 4, 6)))
CORNER = Region(x0=0, y0=1, x1=2, y1=3)
ACTIONS: list[Action] = [
    Look(target=CORNER),
    Look(target=Object(index=2)),
    Reencode(encoder="seg"),
    Detect(phrase="red cube"),
    Segment(target=CORNER),
    Depth(),
    Depth(targets=(Object(index=1), CORNER)),
    Read(),
    Read(target=Object(index=1)),
    Answer(text="two"),
]
OBSERVATIONS: list[Observation] = [
    Detected(
        phrase="x",
        objects=(Found(index=1, label="cube", box=BOX, score=0.5),),
        unknown=("dog",),
        views=(VIEW,),
    ),
    Segmented(index=1, box=BOX, area=7, share=0.1, centroid=(1, 2.5), mask="m", views=(VIEW,)),
    Ranged(ranges=(Range(index=1, label="cube", box=BOX, depth=0.25),), views=(VIEW,)),
    Recognised(lines=(Line(text="EXIT", box=BOX, score=0.9),)),
    Looked(index=1, label="cube", views=(VIEW,)),
    Reencoded(encoder="clip", views=(VIEW,)),
    Failed(error="specialist", message="out of memory"),
]
ITEMS: list[Asked | Acted | Observed | Noted] = [
    Asked(image="a" * 64, size=(20, 30), question="?", tools=("look", "read")),
    Acted(text="<|read_start|><|read_end|>", tokens=(5, 6), actions=(Read(),), confidence=0.5),
    *[Acted(text="", actions=(action,)) for action in ACTIONS],
    *[Observed(action=Read(), observation=observation) for observation in OBSERVATIONS],
    Noted(text="answer now"),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.kind)
def test_every_item_survives_json(item: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Item)
    text = adapter.dump_json(item)
    assert adapter.validate_json(text) == item
    assert adapter.validate_python(json.loads(text)) == item


def test_only_the_model_emits() -> None:
    assert {item.kind for item in ITEMS if item.by == "emitted"} == {"acted"}


def test_items_do_not_change_and_have_no_other_fields() -> None:
    with pytest.raises(ValidationError):
        ITEMS[-1].text = "other"  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        Noted.model_validate({"text": "x", "pixels": []})


def detected(count: int) -> Detected:
    box = BOX
    return Detected(
        phrase="cube",
        objects=tuple(Found(label=f"cube {n}", box=box, score=0.5) for n in range(count)),
    )


def test_objects_are_numbered_after_those_already_found() -> None:
    assert [found.index for found in numbered(detected(3), 0).objects] == [1, 2, 3]
    assert [found.index for found in numbered(detected(2), 3).objects] == [4, 5]


def test_past_the_last_number_objects_keep_none() -> None:
    more = numbered(detected(4), MAX_OBJECTS - 2)
    assert [found.index for found in more.objects] == [MAX_OBJECTS - 1, MAX_OBJECTS, 0, 0]
    assert [found.label for found in more.objects] == [f"cube {n}" for n in range(4)]
    assert {found.index for found in numbered(detected(2), MAX_OBJECTS + 5).objects} == {0}


def test_found_objects_are_the_numbered_ones_by_number() -> None:
    first, second = numbered(detected(2), 0), numbered(detected(20), 2)
    items = [Observed(action=Detect(phrase="cube"), observation=seen) for seen in (first, second)]
    found = found_objects([ITEMS[0], items[0], Noted(text="x"), items[1]])
    assert list(found) == list(range(1, MAX_OBJECTS + 1))
    assert found[2] == first.objects[1]
    assert found[3] == second.objects[0]


@pytest.mark.parametrize(
    "xyxy",
    [(0, 0, 0, 5), (5, 0, 3, 5), (0, 0, float("nan"), 1), (0, 0, float("inf"), 1), (0, 0, 1, 0)],
)
def test_a_box_has_area_and_finite_sides(xyxy: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValidationError):
        Box(image="a", xyxy=xyxy)


def test_sizes_of_boxes_and_views() -> None:
    assert BOX.area == 20 * 28.5
    assert VisualTokens(key="k", grid=(1, 4, 6)).count == 6


@pytest.mark.parametrize(
    "item",
    [
        Acted(text="two \ud83d", actions=(Answer(text="two \ud83d"),)),
        Noted(text="no \udcff"),
        Asked(image="a" * 64, size=(4, 4), question="\udcffHow many?"),
    ],
)
def test_half_a_character_can_be_written_down(item: Any) -> None:
    """JSON from a server and words from a shell may hold it; files and terminals may not."""
    told = item.model_dump_json()
    assert "?" in told
    assert type(item).model_validate_json(told) == item
