"""A row becomes a question, or one line that says what is wrong with it."""

import datetime
import hashlib
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.graphs.query import content_id, query

BASE = Path("/photos")
PNG = b"\x89PNG..."

BAD = {
    "no image": ({"question": "?"}, "no column 'image'; it has 'question'; name another with --column"),
    "no question": ({"image": "a.png"}, "no column 'question'"),
    "nothing": ({}, "it has nothing"),
    "question is a number": ({"image": "a.png", "question": 3}, "question is 3: expected a question"),
    "question is blank": ({"image": "a.png", "question": " \n"}, "expected a question"),
    "question cannot be UTF-8": ({"image": "a.png", "question": "\ud800"}, "expected a question"),
    "image is empty": ({"image": "", "question": "?"}, "image is '': expected a path, a URL"),
    "image is null": ({"image": None, "question": "?"}, "image is None"),
    "image is an empty struct": ({"image": {"bytes": None, "path": None}, "question": "?"}, "image is"),
    "id is a list": ({"image": "a.png", "question": "?", "id": [1]}, r"id is \[1\]: expected text or"),
    "id is blank": ({"image": "a.png", "question": "?", "id": " "}, "id is ' '"),
    "answer is an object": ({"image": "a", "question": "?", "answer": {}}, "answer is {}: expected text"),
    "long": ({"image": "a", "question": "?", "answer": {"x": "y" * 999}}, r"answer is .{57}\.\.\.: "),
}  # fmt: skip


def asked(**values: Any) -> Any:
    return query(3, {"image": "a.png", "question": " How many? "} | values, BASE)


@pytest.mark.parametrize(("values", "reason"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        query(1, values, BASE)
    assert "\n" not in str(caught.value)


def test_a_row_as_most_are() -> None:
    found = asked(id=7, answer="2", colour="red")
    assert (found.row, found.id, found.question, found.truths) == (3, "7", "How many?", ("2",))
    assert (found.image, found.reference, found.carried) == (
        BASE / "a.png",
        "a.png",
        {"colour": "red"},
    )


@pytest.mark.parametrize(
    ("given", "image", "reference"),
    [
        ("sub/a.png", BASE / "sub/a.png", "sub/a.png"),
        ("/elsewhere/a.png", Path("/elsewhere/a.png"), "/elsewhere/a.png"),
        ("-", BASE / "-", "-"),  # never stdin
        ("https://example.org/a.png", "https://example.org/a.png", "https://example.org/a.png"),
        ("file:///etc/passwd", "file:///etc/passwd", "file:///etc/passwd"),  # for `fetch` to refuse
        ({"bytes": PNG, "path": "a.png"}, PNG, "a.png"),
        ({"bytes": None, "path": "a.png"}, BASE / "a.png", "a.png"),
        (PNG, PNG, f"sha256:{hashlib.sha256(PNG).hexdigest()}"),
        ({"bytes": PNG, "path": None}, PNG, f"sha256:{hashlib.sha256(PNG).hexdigest()}"),
    ],
)
def test_images(given: Any, image: Any, reference: str) -> None:
    found = asked(image=given)
    assert (found.image, found.reference) == (image, reference)


@pytest.mark.parametrize(
    ("given", "truths"),
    [
        (None, ()),
        ("two", ("two",)),
        (2, ("2",)),
        (2.5, ("2.5",)),
        (["2", "two", None], ("2", "two")),
    ],
)
def test_right_answers(given: Any, truths: tuple[str, ...]) -> None:
    assert asked(answer=given).truths == truths


def test_other_columns_come_along_in_json_types() -> None:
    given = {
        "day": datetime.date(2026, 1, 2), "price": Decimal("1.50"), "gap": float("nan"), "deep": {"x": [1]},
        "picture": PNG, "picture2": {"bytes": PNG, "path": "b.png"}, "pictures": [PNG],
    }  # fmt: skip
    carried = {"day": "2026-01-02", "price": "1.50", "gap": None, "deep": {"x": [1]}}
    assert asked(**given).carried == carried


def test_an_id_from_the_content_is_the_same_everywhere() -> None:
    assert content_id("a.png", "?") == "28d554940d423c26"
    assert len({content_id("a", "bc"), content_id("ab", "c"), content_id("a", "bd")}) == 3


def test_a_row_may_have_several_images() -> None:
    digest = f"sha256:{hashlib.sha256(PNG).hexdigest()}"
    found = asked(image=["a.png", {"bytes": PNG, "path": None}, "https://example.org/b.png"])
    assert found.image == (BASE / "a.png", PNG, "https://example.org/b.png")
    assert found.reference == ("a.png", digest, "https://example.org/b.png")
    alone = asked(image=["a.png"])
    assert (alone.image, alone.reference) == ((BASE / "a.png",), ("a.png",))
    assert content_id(("a.png", "b.png"), "?") != content_id(("b.png", "a.png"), "?")


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([], "expected 1 to 16 images"),
        (["a"] * 17, "expected 1 to 16 images"),
        (["a", 3], "expected a path"),
    ],
)
def test_what_is_no_list_of_images_is_said(images: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        asked(image=images)


def test_an_image_in_a_data_url_is_named_by_its_bytes() -> None:
    found = asked(image=f"data:image/png;base64,{b64encode(PNG).decode()}")
    assert (found.image, found.reference) == (PNG, f"sha256:{hashlib.sha256(PNG).hexdigest()}")
    with pytest.raises(InputError, match="not base64"):
        asked(image="data:image/png;base64,@@@@@")
