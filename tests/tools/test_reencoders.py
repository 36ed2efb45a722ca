"""DINOv2 and SAM on a picture: preprocessed to the bit as the paper's code does, and the same features."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Encoder, Look, Object, Reencode
from foveal.agent.checkpoint.encoders import load_encoder
from foveal.agent.errors import InputError, SetupError
from foveal.agent.observations import Looked, Reencoded, VisualTokens
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.catalogue import Crew, crew_of
from foveal.tools.reencoders import GRID, DinoEncoder, SamEncoder
from foveal.tools.store import ImageStore

Pixels = NDArray[np.uint8]
DATA = Path(__file__).parents[1] / "data/vpt"
ROWS: list[dict[str, Any]] = json.loads(
    (DATA / "preprocess_sizes.json").read_text(encoding="utf-8")
)
TINY_SAM: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "global_attn_indexes": [],
    "mlp_ratio": 2.0, "image_size": 1024, "patch_size": 16,
}  # fmt: skip


class Mirror(torch.nn.Linear):
    """A network whose features are its inputs, which it remembers."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.given: list[Any] = []

    def __call__(self, pixel_values: Any) -> Any:
        self.given.append(pixel_values)
        return SimpleNamespace(last_hidden_state=pixel_values)


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    files = (DATA / "images" / f"img{n}.png" for n in (0, 1))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


@pytest.fixture(scope="module")
def dino() -> DinoEncoder:
    return DinoEncoder.from_folder(DATA / "detection")


@pytest.fixture(scope="module")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of a released checkpoint as the encoder reads."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    folder = tmp_path_factory.mktemp("seg")
    torch.manual_seed(0)
    network: Any = SamVisionEncoder(SamVisionConfig(**TINY_SAM))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    state = {f"seg_model.{name}": t for name, t in network.state_dict().items()}
    torch.save(
        state | {"seg_projector.linear_condition.bias": torch.zeros(8)},
        folder / "pytorch_model.bin",
    )
    config = {"model_type": "qwen2_vl_vpt", "vision_encoder_ls": ["sam"], "seg_config": TINY_SAM}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_golden_detection_images(photos: list[Pixels]) -> None:
    network = Mirror()
    DinoEncoder(network).encode_all(photos)
    with np.load(DATA / "detection/golden.npz") as golden:
        assert np.array_equal(network.given[0], golden["batch2.detection_images"])


def test_golden_detection_features(dino: DinoEncoder, photos: list[Pixels]) -> None:
    with np.load(DATA / "detection/golden.npz") as golden:
        expected = golden["round2.detection_features"][0, 1:]
    [seen] = dino.encode_all(photos[:1])
    assert seen.grid == GRID
    assert seen.values.dtype == np.float32
    assert np.allclose(seen.values, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['width']}x{row['height']}")
def test_golden_sizes(row: dict[str, Any]) -> None:
    white: Pixels = np.full((row["height"], row["width"], 3), 255, np.uint8)
    eye, square = Mirror(), Mirror()
    if "dino_error" in row:
        with pytest.raises(InputError, match="too narrow"):
            DinoEncoder(eye).encode_all([white])
        with pytest.raises(InputError, match="too narrow"):
            SamEncoder(square).encode_all([white])
        return
    DinoEncoder(eye).encode_all([white])
    [seen] = SamEncoder(square).encode_all([white])
    assert list(eye.given[0].shape) == row["dino_tensor"]
    assert list(square.given[0].shape) == row["sam_tensor"]
    valid = seen.values[0] != 0  # white is far from the mean; the padding is zero
    height, width = row["sam_valid_hw"]
    assert valid[:height, :width].all()
    assert valid.sum() == height * width


def test_the_neck_sees_the_padded_square(sam_folder: Path, photos: list[Pixels]) -> None:
    """Against a preprocessing written out by hand."""
    encoder = SamEncoder.from_folder(sam_folder)
    both = encoder.encode_all(photos)
    assert [one.values.shape for one in both] == [(256, 64, 64)] * 2
    assert [one.grid for one in both] == [GRID] * 2
    for pixels, seen, size in zip(photos, both, [(1024, 768), (723, 1024)], strict=True):
        large = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        square = np.zeros((1024, 1024, 3), np.float32)
        values = (np.asarray(large) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        square[: size[1], : size[0]] = values
        inputs = torch.from_numpy(square.transpose(2, 0, 1)[None])
        with torch.inference_mode():
            expected = encoder._network(pixel_values=inputs).last_hidden_state[0].numpy()
        assert np.allclose(seen.values, expected, atol=1e-4, rtol=0)
    assert np.abs(both[0].values).max() > 1


def test_dino_sees_pictures_together_as_alone(dino: DinoEncoder, photos: list[Pixels]) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (300, 900, 3), np.uint8)
    pictures = [*photos, wide, photos[0]]
    for pixels, seen in zip(pictures, dino.encode_all(pictures), strict=True):
        [alone] = dino.encode_all([pixels])
        assert np.allclose(seen.values, alone.values, atol=1e-5, rtol=0)
        assert seen.values.base is None, "keeping one picture's features must not keep the batch"


def test_dino_sees_only_the_middle(dino: DinoEncoder) -> None:
    """The centre crop: what lies outside the middle square changes nothing."""
    wide = np.random.default_rng(0).integers(0, 256, (100, 300, 3), np.uint8)
    dark = wide.copy()
    dark[:, :80], dark[:, 220:] = 0, 0
    one, other = dino.encode_all([wide, dark])
    assert np.array_equal(one.values, other.values)


@pytest.mark.parametrize("kind", [DinoEncoder, SamEncoder])
def test_no_pictures_are_no_features(kind: Any) -> None:
    network = Mirror()
    assert kind(network).encode_all([]) == []
    assert not network.given


@pytest.mark.parametrize("kind", ["detection", "seg"])
def test_half_precision_networks_give_the_same_to_two_digits(
    kind: Encoder, sam_folder: Path, photos: list[Pixels]
) -> None:
    folder = {"detection": DATA / "detection", "seg": sam_folder}[kind]
    encoder: Any = {"detection": DinoEncoder, "seg": SamEncoder}[kind]
    full, half = (
        encoder(load_encoder(folder, kind, dtype=dtype)).encode_all(photos)[1].values
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    assert np.abs(full - half).mean() < 0.03 * np.abs(full).mean()


def test_features_count_as_many_tokens_as_the_projector_makes() -> None:
    assert VisualTokens(key="", grid=GRID).count == 256


@pytest.mark.parametrize(
    ("kind", "part"), [(SamEncoder, "seg_model"), (DinoEncoder, "detection_model")]
)
def test_a_checkpoint_without_the_encoder_is_for_the_user(kind: Any, part: str) -> None:
    with pytest.raises(SetupError, match=part):
        kind.from_folder(DATA / "clip")


@pytest.mark.slow
async def test_a_released_checkpoint_serves_looks_and_its_own_encoder_on_either_carrier(
    open_dispatcher: Callable[[Crew], Dispatcher], store: ImageStore, photos: list[Pixels],
    mark_on: Callable[..., Mark], dino: DinoEncoder,
) -> None:  # fmt: skip
    dispatcher, image = open_dispatcher(crew_of(DATA / "detection")), store.put(photos[0])
    again = await dispatcher.dispatch(Reencode(encoder="detection"), image)
    look = await dispatcher.dispatch(Look(target=Object(index=1)), image, [mark_on(image)])
    assert isinstance(again, Reencoded)
    assert isinstance(look, Looked)
    [whole], [crop] = again.views, look.views
    assert whole.tokens is not None
    assert crop.tokens is not None
    assert again.encoder == "detection"
    assert list(whole.source.xyxy) == [0, 0, 160, 120]
    assert whole.tokens.count == 256
    [expected] = dino.encode_all([photos[0]])
    assert np.allclose(store.array(whole.tokens.key), expected.values, atol=1e-5, rtol=0)
    assert store.array(crop.tokens.key).shape == (crop.tokens.count, 64)
