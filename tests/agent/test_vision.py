"""The vision tower alone sees what the whole model sees, whatever the shapes of the pictures and however many."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.checkpoint.building import build
from foveal.agent.errors import InputError, SetupError
from foveal.agent.vision import ASPECT, VisionEncoder, processor_of, quartered

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


DATA = Path(__file__).parents[1] / "data/vpt"
ROWS: list[dict[str, Any]] = json.loads(
    (DATA / "preprocess_sizes.json").read_text(encoding="utf-8")
)
MANY = [(56, 56), (120, 60), (30, 110), (5, 3), (1, 300), (400, 300), (56, 56)]


def test_several_pictures_are_seen_as_each_alone(encoder: VisionEncoder) -> None:
    pictures = [picture(*size) for size in MANY]
    together = encoder.encode_all(pictures)
    assert len(together) == len(pictures)
    for pixels, seen in zip(pictures, together, strict=True):
        alone = encoder.encode(pixels)
        assert seen.grid == alone.grid
        assert np.allclose(seen.values, alone.values, atol=1e-5, rtol=0)
        assert seen.values.base is None, "keeping one picture's tokens must not keep the batch"


def test_several_pictures_are_one_forward_pass(
    encoder: VisionEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    forward = encoder._tower.forward

    def counted(*args: Any, grid_thw: Any, **options: Any) -> Any:
        passes.append(len(grid_thw))
        return forward(*args, grid_thw=grid_thw, **options)

    monkeypatch.setattr(encoder._tower, "forward", counted)
    encoder.encode_all([picture(*size) for size in MANY])
    assert passes == [len(MANY)]
    assert encoder.encode_all([]) == []
    assert passes == [len(MANY)]


@pytest.fixture(scope="module")
def released() -> VisionEncoder:
    return VisionEncoder.from_folder(DATA / "clip")


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    files = (DATA / "images" / f"img{n}.png" for n in (0, 1))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def test_golden_tokens_of_a_released_checkpoint(
    released: VisionEncoder, photos: list[NDArray[np.uint8]]
) -> None:
    """Of the clip variant the projector leaves the tower's tokens as they are."""
    with np.load(DATA / "clip/golden.npz") as golden:
        expected = golden["round2.tokens_unconditioned"]
    first, second = released.encode_all(photos)
    assert (first.grid, second.grid) == ((1, 8, 12), (1, 10, 8))
    assert np.allclose(first.values, expected, atol=2e-5, rtol=0)


def test_golden_pixels_of_a_released_checkpoint(
    released: VisionEncoder, photos: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    forward = released._tower.forward

    def noted(pixels: Any, **grids: Any) -> Any:
        given.append(pixels)
        return forward(pixels, **grids)

    monkeypatch.setattr(released._tower, "forward", noted)
    released.encode_all(photos)
    released.encode_all([photos[0], photos[0][:90, :100]])
    with np.load(DATA / "clip/golden.npz") as golden:
        assert np.array_equal(given[0], golden["batch2.pixel_values"])
        assert np.array_equal(given[1], golden["region.pixel_values"])


@pytest.mark.parametrize("cap", [512, 224])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['width']}x{row['height']}")
def test_golden_grids(row: dict[str, Any], cap: int, released: VisionEncoder) -> None:
    pixels = np.zeros((row["height"], row["width"], 3), np.uint8)
    encoder = VisionEncoder(released._tower, processor_of(DATA / "clip"), cap=cap)
    if f"qwen_cap{cap}_error" in row:
        with pytest.raises(InputError, match="too narrow"):
            encoder.encode(pixels)
        return
    seen = encoder.encode(pixels)
    assert list(seen.grid) == row[f"qwen_cap{cap}_grid_thw"]
    assert len(seen.values) == row[f"qwen_cap{cap}_tokens"]


def test_only_released_checkpoints_are_capped(folder: Path, released: VisionEncoder) -> None:
    ours = VisionEncoder.from_folder(folder)
    assert (ours._cap, released._cap) == (None, 512)


def test_a_tower_that_is_loaded_already_sees_the_same(
    released: VisionEncoder, photos: list[NDArray[np.uint8]]
) -> None:
    built = build(DATA / "clip")
    shared = VisionEncoder.of(built.network.model.visual, built.layout)
    one, other = shared.encode(photos[1]), released.encode(photos[1])
    assert np.allclose(one.values, other.values, atol=1e-6, rtol=0)
    assert shared._cap == released._cap


LIMITS = [
    ({"min_pixels": 3136, "max_pixels": 12845056}, 3136, 12845056),  # as released
    ({"min_pixels": 784, "size": {"shortest_edge": 1, "longest_edge": 50176}}, 784, 50176),
    ({"size": {"min_pixels": 784, "max_pixels": 50176}}, 784, 50176),
    ({"size": {"shortest_edge": 784, "longest_edge": 50176}}, 784, 50176),
    ({"min_pixels": None, "max_pixels": None, "size": {"longest_edge": 50176}}, 3136, 50176),
    ({"size": None, "image_mean": None}, 3136, 28 * 28 * 1280),
    ({}, 3136, 28 * 28 * 1280),
]


@pytest.mark.parametrize(("values", "fewest", "most"), LIMITS)
def test_limits_in_every_spelling(
    values: dict[str, Any], fewest: int, most: int, tmp_path: Path
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    processor = processor_of(tmp_path)
    for side, limit in ((10, fewest), (4000, most)):
        area = processor.get_number_of_image_patches(side, side) * 14 * 14
        assert fewest <= area <= most
        assert abs(area**0.5 - limit**0.5) <= 28


def test_rotary_frequencies_stay_precise_in_half_precision() -> None:
    tower = build(DATA / "clip", dtype=torch.bfloat16).network.model.visual
    assert tower.patch_embed.proj.weight.dtype == torch.bfloat16
    assert tower.rotary_pos_emb.inv_freq.dtype == torch.float32
    seen = VisionEncoder(tower, processor_of(DATA / "clip"), cap=512).encode(picture(160, 120))
    assert seen.values.dtype == np.float32
    assert np.isfinite(seen.values).all()


@pytest.mark.parametrize(
    ("told", "expected"), [({}, False), ({"again": "whole"}, False), ({"again": "quarters"}, True)]
)
def test_a_folder_says_how_an_image_is_seen_once_more(
    told: dict[str, str], expected: bool, tmp_path: Path
) -> None:
    assert not quartered(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    assert quartered(tmp_path) == expected


def test_another_way_of_seeing_once_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"again": "thirds"}', encoding="utf-8")
    with pytest.raises(SetupError, match=r"again='thirds'.*quarters"):
        quartered(tmp_path)
