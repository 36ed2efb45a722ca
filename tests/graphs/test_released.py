"""A released checkpoint in the loop: the paper's procedure from the image to the answer, and hostile sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.actions import Encoder, Region
from foveal.agent.grammar import REGION_END, REGION_START, parse, spell
from foveal.agent.native import decoding
from foveal.agent.native.model import NativeModel
from foveal.agent.observations import Failed, Looked
from foveal.agent.regions import cells_to_box
from foveal.agent.vision import IMAGE_RESOLUTION
from foveal.agent.vpt import Paper, Trigger
from foveal.graphs.budgets import Budgets
from foveal.graphs.run import Parts, run
from foveal.tools.catalogue import released
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.store import ImageStore

DATA = Path(__file__).parents[1] / "data/vpt"
VARIANTS: list[Encoder] = ["clip", "detection"]
STEPS = 12
REGION = f"{REGION_START}{spell(Region(x0=1, y0=1, x1=3, y1=4))}{REGION_END}"


def golden(variant: Encoder, key: str) -> Any:
    with np.load(DATA / variant / "golden.npz") as arrays:
        return arrays[key]


def insist(monkeypatch: pytest.MonkeyPatch, wanted: list[int]) -> None:
    """The model says this first, as far as it is let."""
    pick = decoding._pick

    def picked(logits: Any, named: list[int], words: Any) -> tuple[int, float]:
        if not wanted:
            return pick(logits, named, words)
        token = wanted.pop(0)
        assert token in named
        return token, 1.0

    monkeypatch.setattr(decoding, "_pick", picked)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("case", "trigger"), [("round2", "reencode"), ("region", "region")])
async def test_golden_answer_from_the_image_to_the_last_token(
    variant: Encoder, case: str, trigger: Trigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round, as in the paper: encoded by the specialist, read from the store, answered in the same cache."""
    model, store = NativeModel.from_folder(DATA / variant, Paper(trigger)), ImageStore()
    spelled = f"<|{variant}_action_start|><|{variant}_action|><|{variant}_action_end|>"
    said = spelled if case == "round2" else REGION
    insist(monkeypatch, [*model.ids(said), model.vocabulary.end])
    dispatcher = InlineDispatcher(store, released(DATA / variant))
    pixels = np.asarray(Image.open(DATA / "images/img0.png").convert("RGB"))
    budgets = Budgets(hops=1, answer_tokens=STEPS)
    result = await run(
        "What is red?", pixels, Parts(model, dispatcher, store, tools=("look", "reencode"), budgets=budgets)
    )  # fmt: skip
    await dispatcher.close()
    words = golden(variant, f"{case}.gen_ids")[0].tolist()
    (answer,) = parse(model.spoken(words))
    assert result.answer == answer.text  # type: ignore[union-attr]
    assert result.ended_by == "hops"
    assert [hop.action.kind for hop in result.hops] == ["reencode" if case == "round2" else "look"]
    prompt = golden(variant, f"{case}.input_ids").shape[1]
    assert result.usage.prefilled + result.usage.emitted == prompt + STEPS


SIZES = [(1, 1), (3, 3), (7, 5), (8, 8), (2, 900), (3000, 8), (1300, 1)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_any_cell_of_any_image_is_seen_or_refused(
    size: tuple[int, int], reciter: Any
) -> None:
    """An image may have fewer pixels than the grid has cells, or be narrower than an encoder takes."""
    width, height = size
    cells = [Region(x0=x, y0=y, x1=x, y1=y) for x in (0, 3, 7) for y in (0, 4, 7)]
    turn = "".join(f"{REGION_START}{spell(cell)}{REGION_END}" for cell in cells)
    store = ImageStore()
    dispatcher = InlineDispatcher(store, released(DATA / "clip"))
    pixels = np.zeros((height, width, 3), np.uint8)
    result = await run("?", pixels, Parts(reciter(turn, "done"), dispatcher, store))
    await dispatcher.close()
    assert result.answer == "done"
    assert len(result.hops) == len(cells)
    for cell, hop in zip(cells, result.hops, strict=True):
        if isinstance(hop.observation, Failed):
            left, top, right, bottom = cells_to_box(cell, width, height)
            sides = sorted((right - left, bottom - top))
            assert sides[0] * IMAGE_RESOLUTION < sides[1]
            assert "too narrow" in hop.observation.message
            continue
        assert isinstance(hop.observation, Looked)
        (view,) = hop.observation.views
        x0, y0, x1, y1 = view.source.xyxy
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert view.tokens is not None
