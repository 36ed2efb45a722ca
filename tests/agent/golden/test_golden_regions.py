"""Turns of the paper's model, and what its reference implementation made of them: the same crops, or a reason."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Action, Answer, Look, Reencode, Region
from foveal.agent.errors import ActionError
from foveal.agent.grammar import parse
from foveal.agent.regions import MIN_SIDE, cells_to_box, grown
from foveal.agent.vision import VisionEncoder

Row = dict[str, Any]
ROWS: dict[int, Row] = {
    row["id"]: row
    for row in json.loads(
        (Path(__file__).parents[2] / "data/vpt/region_geometry.json").read_text(encoding="utf-8")
    )
}

UNREADABLE = {
    # The reference makes these tokens the user's answer. Nobody asked for them: the model is told instead.
    42: "stands outside an action",  # no start
    43: "takes one region such as",  # x_8 is no cell
    48: "takes one region such as",  # cells spelled as words
    57: "stands outside an action",  # no start
    60: "<|clip_action_start|> is never closed",
    # The reference takes the part that it understands. Which part was meant is a guess.
    45: "<|region_token_start|> is never closed",  # two starts, one end
    46: "<|region_token_start|> is never closed",
    51: "<|region_token_start|> is never closed",  # a good region, then half of one
    # The reference adds the tokens that are missing. They must have been fed: the control state is theirs.
    55: "<|detection_action_start|> is never closed",
}
"""Rows that we refuse, with the reason that the model is told, although the reference goes on with them."""
BLANKS = {39, 40}
"""Blanks between cells: the reference makes them the answer, but they can only mean the region."""
BOTH = {58}
"""A region and a re-encoding in one turn: the reference gives up and answers with it; we do both."""
EMPTY = {25}
"""The reference's crop has no pixel and is drawn as 28 x 28 of nothing; ours has the nearest one."""


def rows(decision: str, without: Collection[int] = ()) -> list[int]:
    return [n for n, row in ROWS.items() if row["decision"] == decision and n not in without]


def crops(row: Row) -> list[tuple[int, int, int, int]]:
    """What every action of the turn crops from the original."""
    boxes = []
    for action in parse(row["text"]):
        assert isinstance(action, Look)
        assert isinstance(action.target, Region)
        boxes.append(cells_to_box(action.target, row["width"], row["height"]))
    return boxes


def test_golden_rows_are_all_judged() -> None:
    judged = [
        *rows("region", UNREADABLE), *rows("dropped"), *rows("final", {*UNREADABLE, *BLANKS, *BOTH}),
        *rows("clip"), *rows("detection", UNREADABLE), *UNREADABLE, *BLANKS, *BOTH,
    ]  # fmt: skip
    assert sorted(judged) == sorted(ROWS)
    assert len(ROWS) == 43


@pytest.mark.parametrize("number", rows("region", {*UNREADABLE, *EMPTY}))
def test_golden_regions_crop_the_same_pixels(number: int) -> None:
    row = ROWS[number]
    assert crops(row) == [tuple(group["box"]) for group in row["groups"]]
    assert row["n_images"] == 1 + len(row["groups"])


@pytest.mark.parametrize("number", sorted(EMPTY))
def test_golden_crop_without_pixels_has_one(number: int) -> None:
    row = ROWS[number]
    assert [group["crop_size"] for group in row["groups"]] == [[0, 0]]
    assert crops(row) == [(0, 0, 1, 1)]


@pytest.mark.parametrize("number", rows("dropped"))
def test_golden_samples_that_were_dropped_are_told_to_the_model(number: int) -> None:
    """A region with columns only, or rows only: the whole turn is refused, as there."""
    with pytest.raises(ActionError, match="a region needs x and y cells"):
        parse(ROWS[number]["text"])


@pytest.mark.parametrize("number", rows("final", {*UNREADABLE, *BLANKS, *BOTH}))
def test_golden_answers_are_answers(number: int) -> None:
    assert parse(ROWS[number]["text"]) == (Answer(text=ROWS[number]["final_answer"]),)


@pytest.mark.parametrize(("number", "reason"), UNREADABLE.items())
def test_golden_rows_that_cannot_be_read_are_told_to_the_model(number: int, reason: str) -> None:
    with pytest.raises(ActionError) as caught:
        parse(ROWS[number]["text"])
    assert reason in str(caught.value)


@pytest.mark.parametrize("number", sorted(BLANKS))
def test_golden_blanks_between_cells_change_nothing(number: int) -> None:
    assert parse(ROWS[number]["text"]) == (Look(target=Region(x0=1, y0=2, x1=1, y1=2)),)


@pytest.mark.parametrize("number", sorted(BOTH))
def test_golden_turn_with_both_kinds_does_both(number: int) -> None:
    both: tuple[Action, ...] = (
        Reencode(encoder="clip"),
        Look(target=Region(x0=1, y0=1, x1=2, y1=2)),
    )
    assert parse(ROWS[number]["text"]) == both


@pytest.mark.parametrize("number", [*rows("clip"), *rows("detection", UNREADABLE)])
def test_golden_reencodings_name_their_encoder(number: int) -> None:
    row = ROWS[number]
    assert parse(row["text"]) == (Reencode(encoder=row["decision"]),)


def narrow() -> list[int]:
    """Rows with a crop that is smaller than one merged patch."""
    return [n for n in rows("region", UNREADABLE)
            if any(min(group["crop_size"]) < MIN_SIDE for group in ROWS[n]["groups"])]  # fmt: skip


@pytest.mark.parametrize("number", narrow())
def test_golden_narrow_crops_are_widened_and_can_be_seen(number: int, folder: Path) -> None:
    row = ROWS[number]
    width, height = row["width"], row["height"]
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3)).astype(np.uint8)
    tower = VisionEncoder.from_folder(folder)
    for box in crops(row):
        x0, y0, x1, y1 = grown(box, width, height, 0.0)
        assert min(x1 - x0, MIN_SIDE) == min(width, MIN_SIDE)
        assert min(y1 - y0, MIN_SIDE) == min(height, MIN_SIDE)
        assert np.isfinite(tower.encode(pixels[y0:y1, x0:x1]).values).all()
