"""Segment: the library's own predictor is the reference; an image is encoded once."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Object, Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Segmented
from foveal.tools.base import Mark, Reply, Request
from foveal.tools.segmenter import GREY, Segmenter
from foveal.tools.zoom import window_of

Pixels = NDArray[np.uint8]
MarkOn = Callable[..., Mark]
ACTION = Segment(target=Object(index=1))


@pytest.fixture
def segmenter(tiny_weights: Path) -> Segmenter:
    return Segmenter.from_folder(tiny_weights)


@pytest.fixture
def ask(segmenter: Segmenter, photo: Pixels, mark_on: MarkOn) -> Callable[..., Reply]:
    def ask_(xyxy: tuple[float, ...] = (30, 20, 60, 40), image: str = "a") -> Reply:
        return segmenter.run([Request(ACTION, image, photo, (mark_on(image, xyxy),))])[0]

    return ask_


def test_the_mask_is_the_predictors_own(
    tiny_weights: Path, photo: Pixels, ask: Callable[..., Reply]
) -> None:
    from segment_anything import SamPredictor

    from foveal.agent.weights import load_config, load_into
    from foveal.tools.builders import build_sam

    config = load_config(tiny_weights / "segmenter.json")
    predictor = SamPredictor(load_into(build_sam(config), tiny_weights / "segmenter.safetensors"))
    predictor.set_image(photo)
    masks, _, _ = predictor.predict(box=np.array([30, 20, 60, 40]), multimask_output=False)
    mask = ask().mask
    assert mask is not None
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, masks[0])


def test_numbers_follow_from_the_mask(photo: Pixels, ask: Callable[..., Reply]) -> None:
    reply = ask()
    seen, mask = reply.observation, reply.mask
    assert isinstance(seen, Segmented)
    assert mask is not None
    ys, xs = np.nonzero(mask)
    assert seen.area == mask.sum()
    assert seen.share == pytest.approx(mask.mean())
    assert seen.box.xyxy == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert seen.centroid == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5), abs=0.051)
    assert (seen.index, seen.label, seen.box.image, seen.mask) == (1, "red cube", "a", "")


def test_the_picture_shows_the_object_alone(photo: Pixels, ask: Callable[..., Reply]) -> None:
    reply = ask()
    [picture], mask = reply.pictures, reply.mask
    assert mask is not None
    x0, y0, x1, y1 = (int(value) for value in picture.source.xyxy)
    inside = mask[y0:y1, x0:x1]
    assert picture.role == "mask"
    assert mask.sum() == inside.sum()
    assert np.array_equal(picture.pixels[inside], photo[y0:y1, x0:x1][inside])
    assert (picture.pixels[~inside] == GREY).all()


def test_an_image_is_encoded_once(segmenter: Segmenter, ask: Callable[..., Reply]) -> None:
    first = ask()
    ask((0, 0, 20, 20))
    assert segmenter.encoded == 1
    ask(image="b")
    assert segmenter.encoded == 2
    again = ask()
    assert first.mask is not None
    assert again.mask is not None
    assert np.array_equal(first.mask, again.mask)


def test_a_small_target_is_outlined_in_a_part_of_the_image(
    tiny_weights: Path, photo: Pixels, mark_on: MarkOn, tmp_path: Path
) -> None:
    """As if that part had been the image, and then placed where it belongs."""
    for path in tiny_weights.glob("segmenter.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "segmenter.json").read_text())
    (tmp_path / "segmenter.json").write_text(json.dumps(config | {"zoom": 3.0}))
    near, plain = Segmenter.from_folder(tmp_path), Segmenter.from_folder(tiny_weights)
    box = (50.0, 20.0, 62.0, 30.0)
    x0, y0, x1, y1 = window_of(box, photo.shape[1], photo.shape[0], 3.0)
    asked = Request(ACTION, "a", photo, (mark_on("a", box),))
    inside = tuple(v - o for v, o in zip(box, (x0, y0, x0, y0), strict=True))
    part = Request(ACTION, "part", photo[y0:y1, x0:x1], (mark_on("part", inside),))
    mask, expected = near.run([asked])[0].mask, plain.run([part])[0].mask
    assert mask is not None
    assert expected is not None
    assert mask.shape == photo.shape[:2]
    assert np.array_equal(mask[y0:y1, x0:x1], expected)
    assert mask.sum() == expected.sum()
    near.run([asked])
    assert near.encoded == 1
    near.run([Request(ACTION, "a", photo, (mark_on("a", (2.0, 2.0, 10.0, 10.0)),))])
    assert near.encoded == 2


def test_a_batch_answers_as_one_by_one(tiny_weights: Path, photo: Pixels, mark_on: MarkOn) -> None:
    tall = np.ascontiguousarray(photo.transpose(1, 0, 2))
    batch = [
        Request(ACTION, name, pixels, (mark_on(name, xyxy),))
        for name, pixels, xyxy in [
            ("a", photo, (30, 20, 60, 40)), ("b", tall, (20, 30, 40, 60)), ("a", photo, (0, 0, 20, 20))
        ]
    ]  # fmt: skip
    together = Segmenter.from_folder(tiny_weights)
    replies = together.run(batch)
    assert together.encoded == 2
    alone = Segmenter.from_folder(tiny_weights)
    for request, reply in zip(batch, replies, strict=True):
        assert reply.mask is not None
        assert reply.mask.shape == request.pixels.shape[:2]
        other = alone.run([request])[0].mask
        assert other is not None
        assert (reply.mask == other).mean() > 0.99


def test_nothing_to_outline_is_said(
    segmenter: Segmenter, ask: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter._model, "mask_threshold", 1e9)
    with pytest.raises(SpecialistError, match="nothing could be outlined"):
        ask()


def test_a_target_is_needed(segmenter: Segmenter, photo: Pixels) -> None:
    with pytest.raises(TypeError, match="one target"):
        segmenter.run([Request(ACTION, "a", photo)])


@pytest.mark.parametrize("prompt", ["box", "point", "box+point"])
def test_prompts(tiny_weights: Path, photo: Pixels, mark_on: MarkOn, prompt: str) -> None:
    segmenter = Segmenter.from_folder(tiny_weights)
    segmenter._prompt = prompt
    segmenter.warm_up()
    prompts = segmenter._prompts((30, 20, 60, 40), (60, 90))
    assert (prompts["boxes"] is not None) == ("box" in prompt)
    assert (prompts["points"] is not None) == ("point" in prompt)
