"""Sketches show what was there, stay small, and never stand in a run's way."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.observations import Box, Failed, Ranged, Segmented
from foveal.graphs.run import run
from foveal.graphs.sketch import OUTLINE, SLOPE, Sketch, sketched
from foveal.graphs.trace import Returned
from foveal.tools.store import ImageStore

BOX = Box(image="a", xyxy=(100, 50, 1100, 450))


def outlined(mask: str, box: Box = BOX) -> Segmented:
    return Segmented(box=box, area=1, share=0.1, centroid=(1, 1), mask=mask)


def test_a_mask_is_drawn_inside_its_box_and_no_larger_than_it_must_be() -> None:
    store, mask = ImageStore(), np.zeros((500, 1200), bool)
    mask[50:450, 100:600] = True
    sketch = sketched(outlined(store.put_array(mask)), store)
    assert sketch is not None
    levels = np.asarray(sketch.picture)
    assert levels.shape == (77, OUTLINE)
    assert (levels[:, :94] == 255).all()
    assert (levels[:, 98:] == 0).all()
    assert len(sketch.png) < 400


def test_a_small_mask_keeps_every_pixel() -> None:
    store, mask = ImageStore(), np.random.default_rng(0).random((20, 30)) > 0.5
    whole = Box(image="a", xyxy=(0, 0, 30, 20))
    sketch = sketched(outlined(store.put_array(mask), whole), store)
    assert sketch is not None
    assert np.array_equal(np.asarray(sketch.picture) > 127, mask)


def test_a_depth_map_becomes_a_thumbnail() -> None:
    store = ImageStore()
    slope = np.tile(np.linspace(0, 255, 518).astype(np.uint8), (259, 1))
    sketch = sketched(Ranged(map=store.put_array(slope)), store)
    assert sketch is not None
    levels = np.asarray(sketch.picture)
    assert levels.shape == (SLOPE // 2, SLOPE)
    assert (np.diff(levels.astype(int), axis=1) >= 0).all()
    assert len(sketch.png) < 8192


@pytest.mark.parametrize(
    "observation",
    [Failed(error="action", message="no"), Ranged(), outlined(""), outlined("gone"), Ranged(map="gone")],
    ids=["nothing came back", "no map", "no mask", "a mask forgotten", "a map forgotten"],
)  # fmt: skip
def test_what_has_none_is_not_sketched(observation: Any) -> None:
    assert sketched(observation, ImageStore()) is None


@pytest.mark.parametrize("png", ["", "!", base64.b64encode(b"no picture").decode()])
def test_what_is_no_picture_is_refused(png: str) -> None:
    with pytest.raises(ValueError, match=r"no picture|base64|padding"):
        assert Sketch(png=png).picture


def test_a_picture_larger_than_a_sketch_is_refused() -> None:
    store = ImageStore()
    sketch = sketched(Ranged(map=store.put_array(np.zeros((9, 9), np.uint8))), store)
    assert sketch is not None
    wide = np.zeros((2, 2 * OUTLINE), np.uint8)
    file = io.BytesIO()
    Image.fromarray(wide).save(file, "PNG")
    with pytest.raises(ValueError, match="pixels large"):
        assert Sketch(png=base64.b64encode(file.getvalue()).decode()).picture


async def test_a_run_tells_the_mask_that_came_back(parts: Any, picture: Any) -> None:
    events: list[Any] = []
    working = parts(
        "<|detect_start|>blue<|detect_end|>", "<|segment_start|><|obj_1|><|segment_end|>", "1"
    )
    painter = working.dispatcher
    plain = painter._segmented
    mask = np.zeros(picture.shape[:2], bool)
    mask[40:60, 70:90] = True
    key = working.store.put_array(mask)
    painter._segmented = lambda mark: plain(mark).model_copy(update={"mask": key})
    await run("How large?", picture, working, events.append)
    found, outlined = [event for event in events if isinstance(event, Returned)]
    assert found.sketch is None
    assert outlined.sketch is not None
    assert (np.asarray(outlined.sketch.picture) == 255).all()
