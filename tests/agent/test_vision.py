"""The vision tower alone sees what the whole model sees, whatever the shape of the picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foveal.agent.errors import SetupError
from foveal.agent.vision import ASPECT, VisionEncoder, processor_of

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


def picture(width: int, height: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3))
    return noise.astype(np.uint8)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> VisionEncoder:
    return VisionEncoder.from_folder(folder)


@pytest.mark.parametrize("size", [(56, 56), (120, 60), (30, 110), (5, 3), (1, 1), (400, 300)])
def test_the_tower_alone_equals_the_whole_models(
    encoder: VisionEncoder, native: Any, size: tuple[int, int]
) -> None:
    pixels = picture(*size)
    seen = encoder.encode(pixels)
    inputs = processor_of(Path("nowhere"))(
        images=[pixels], return_tensors="pt", input_data_format="channels_last",
        size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112},
    )  # fmt: skip
    with torch.inference_mode():
        whole = native.network.model.get_image_features(**inputs).pooler_output[0]
    assert seen.grid == tuple(inputs["image_grid_thw"][0].tolist())
    assert seen.values.shape == (np.prod(seen.grid) // 4, 64)
    assert np.allclose(seen.values, whole.numpy(), atol=1e-4)
    assert seen.values.dtype == np.float32


def test_a_wide_picture_has_more_columns_than_rows(encoder: VisionEncoder) -> None:
    _, rows, columns = encoder.encode(picture(112, 56)).grid
    assert (rows, columns) == (4, 8)


def test_colours_are_red_green_blue() -> None:
    """The processor normalises each channel by its own mean: red comes first."""
    inputs = {}
    for name, colour in {"red": (255, 0, 0), "blue": (0, 0, 255)}.items():
        pixels = np.full((56, 56, 3), colour, np.uint8)
        made = processor_of(Path("nowhere"))(
            images=[pixels], return_tensors="pt", input_data_format="channels_last"
        )
        inputs[name] = made["pixel_values"][0].reshape(3, -1).mean(1).tolist()
    assert inputs["red"] == pytest.approx([1.930, -1.752, -1.480], abs=2e-3)
    assert inputs["blue"] == pytest.approx([-1.792, -1.752, 2.146], abs=2e-3)


@pytest.mark.parametrize("size", [(3, 900), (900, 3), (1, 201), (5000, 1)])
def test_a_hairline_is_seen_too(encoder: VisionEncoder, size: tuple[int, int]) -> None:
    """Qwen2-VL's own processor refuses it; an image of a user, or a crop of it, may well be one."""
    seen = encoder.encode(picture(*size))
    assert np.isfinite(seen.values).all()
    assert (seen.grid[2] > seen.grid[1]) == (size[0] > size[1])


def test_only_hairlines_are_widened(encoder: VisionEncoder) -> None:
    from foveal.agent.vision import _stretched

    pixels = picture(ASPECT, 1)
    assert _stretched(pixels) is pixels
    assert _stretched(picture(ASPECT + 1, 1)).shape == (2, ASPECT + 1, 3)


def test_pictures_are_read_only_and_stay_as_they_are(encoder: VisionEncoder) -> None:
    pixels = picture(60, 40)
    before = pixels.copy()
    pixels.flags.writeable = False
    encoder.encode(pixels)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_for_the_user(folder: Path, tmp_path: Path, name: str) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:20])
    with pytest.raises(SetupError, match=name.replace(".", r"\.")):
        VisionEncoder.from_folder(tmp_path)


def test_a_tower_of_another_shape_is_for_the_user(folder: Path, tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["vision_config"]["depth"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(SetupError, match="do not fit the model"):
        VisionEncoder.from_folder(tmp_path)
