"""Encoders of a checkpoint: each alone, with the published sizes unless config.json gives others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foveal.agent.actions import Encoder
from foveal.agent.checkpoint.building import build
from foveal.agent.checkpoint.encoders import encoder_config, load_encoder
from foveal.agent.errors import SetupError

DATA = Path(__file__).parents[2] / "data" / "vpt"
Copy = Callable[[str], Path]


def configured(folder: Path, **values: Any) -> Path:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | values
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_the_tower_alone_is_the_tower_of_the_network() -> None:
    tower, whole = load_encoder(DATA / "clip", "clip"), build(DATA / "clip").network.model.visual
    assert tower.state_dict().keys() == whole.state_dict().keys()
    assert all(t.equal(whole.state_dict()[name]) for name, t in tower.state_dict().items())
    assert all(b.equal(dict(whole.named_buffers())[name]) for name, b in tower.named_buffers())


def test_the_tower_of_our_own_format(folder: Path) -> None:
    tower = load_encoder(folder, "clip", dtype=torch.bfloat16)
    assert tower.get_dtype() == torch.bfloat16


@pytest.mark.parametrize(
    ("encoder", "parameters"), [("detection", 304_368_640), ("seg", 308_278_272)]
)
def test_without_a_word_the_large_ones_are_meant(encoder: Encoder, parameters: int) -> None:
    """Their sizes follow from those of the released files."""
    from transformers import Dinov2Config, Dinov2Model, SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    config = encoder_config({}, encoder)
    config.pop("model_type")
    with torch.device("meta"):
        network: Any = (
            Dinov2Model(Dinov2Config(**config))
            if encoder == "detection"
            else SamVisionEncoder(SamVisionConfig(**config))
        )
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("encoder", ["detection", "seg"])
def test_other_sizes_need_to_be_given(
    encoder: Encoder, checkpoint_copy: Copy, seg_checkpoint: Path, tmp_path: Path
) -> None:
    import shutil

    folder = checkpoint_copy("detection") if encoder == "detection" else tmp_path / "seg"
    if encoder == "seg":
        shutil.copytree(seg_checkpoint, folder)
    with pytest.raises(SetupError) as error:
        load_encoder(configured(folder, **{f"{encoder}_config": None}), encoder)
    assert "do not fit the model" in error.value.problem
    assert f'give "{encoder}_config", the sizes of its encoder, in {folder}' in error.value.cure


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ([1], "detection_config in config.json is no mapping"),
        (
            {"hidden_size": 32, "num_hidden_layers": 3, "image_size": 518},
            "do not fit the model: 18 m",
        ),
        ({"hidden_size": "wide"}, "a model cannot be built as the settings of"),
        ({"num_attention_heads": 0}, "a model cannot be built as the settings of"),
    ],
)
def test_sizes_that_do_not_fit(checkpoint_copy: Copy, config: Any, reason: str) -> None:
    folder = configured(checkpoint_copy("detection"), detection_config=config)
    with pytest.raises(SetupError) as error:
        load_encoder(folder, "detection")
    assert reason in error.value.problem


def test_an_encoder_that_a_checkpoint_does_not_carry() -> None:
    with pytest.raises(SetupError, match=r"hold nothing under 'seg_model\.'"):
        load_encoder(DATA / "clip", "seg")


def test_a_device_is_tried_before_anything_is_read() -> None:
    with pytest.raises(SetupError, match="device 'cuda:99' cannot be used"):
        load_encoder(DATA / "clip", "clip", "cuda:99")
