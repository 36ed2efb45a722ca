"""Checkpoints: the released ones and our own become the network that they hold, or are refused with a cure."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.checkpoint.building import build, layout, network_config, precision, tensors
from foveal.agent.checkpoint.encoders import load_encoder
from foveal.agent.errors import SetupError

DATA = Path(__file__).parents[2] / "data" / "vpt"
Copy = Callable[[str], Path]


def configured(folder: Path, **values: Any) -> Path:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | values
    kept = {name: value for name, value in config.items() if value != "absent"}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return folder


def changed(folder: Path, **values: Any) -> Path:
    """The folder with other tensors; None takes one away. Dots are written as `__`."""
    path = folder / "pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    state |= {name.replace("__", "."): tensor for name, tensor in values.items()}
    torch.save({name: t for name, t in state.items() if t is not None}, path)
    return folder


def golden(variant: str) -> dict[str, Any]:
    with np.load(DATA / variant / "golden.npz") as file:
        return {
            name: torch.from_numpy(array) for name, array in file.items() if array.dtype.kind != "U"
        }


def same(one: Any, other: Any) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)


@pytest.mark.parametrize("variant", ["clip", "detection"])
@torch.inference_mode()
def test_golden_logits_of_a_loaded_checkpoint(variant: str) -> None:
    case = {
        name: golden(variant)[f"region.{name}"] for name in ("input_ids", "position_ids", "logits")
    }
    pictures = {
        name: golden("clip")[f"region.{name}"] for name in ("pixel_values", "image_grid_thw")
    }
    network = build(DATA / variant).network
    out = network(
        input_ids=case["input_ids"],
        position_ids=case["position_ids"],
        mm_token_type_ids=(case["input_ids"] == network.config.image_token_id).int(),
        **pictures,
    )
    torch.testing.assert_close(out.logits[..., ::4], case["logits"], rtol=0, atol=1e-3)


@torch.inference_mode()
def test_golden_tokens_of_dinov2() -> None:
    case = golden("detection")
    out = load_encoder(DATA / "detection", "detection")(case["batch2.detection_images"][:1])
    features = case["round2.detection_features"]
    torch.testing.assert_close(out.last_hidden_state, features, rtol=0, atol=2e-5)
    projector = build(DATA / "detection").projectors["detection"]
    for h, name in ((None, "unconditioned"), (case["round2.h"][0], "conditioned")):
        tokens = projector(out.last_hidden_state[0, 1:], h)
        torch.testing.assert_close(tokens, case[f"round2.tokens_{name}"], rtol=0, atol=3e-4)


def test_the_third_variant_has_features_for_its_projector(seg_checkpoint: Path) -> None:
    built = build(seg_checkpoint)
    assert (built.layout.variant, [*built.projectors]) == ("seg", ["seg"])
    with torch.inference_mode():
        image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
        features = load_encoder(seg_checkpoint, "seg")(image).last_hidden_state[0]
        tokens = built.projectors["seg"](features, torch.ones(64))
    assert features.shape == (256, 64, 64)
    assert tokens.shape == (256, 64)
    assert tokens.isfinite().all()


@pytest.mark.parametrize(
    "scaling",
    [
        {"type": "mrope", "mrope_section": [2, 3, 3]},
        {"type": "linear", "factor": 2.0, "mrope_section": [2, 3, 3]},
    ],
)
def test_buffers_that_no_file_holds_are_as_in_a_network_built_with_memory(
    checkpoint_copy: Copy, scaling: dict[str, Any]
) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    folder = configured(checkpoint_copy("clip"), rope_scaling=scaling, rope_theta=500.0)
    network = build(folder).network
    plain: Any = Qwen2VLForConditionalGeneration(network_config(layout(folder).config))
    expected = dict(plain.named_buffers())
    assert len(expected) == 4
    for name, buffer in network.named_buffers():
        assert buffer.equal(expected[name]), name
    assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
    assert network.lm_head.weight is network.get_input_embeddings().weight
    assert not network.training


def test_what_training_left_in_the_settings_is_not_believed() -> None:
    built = build(DATA / "clip")
    for config in (built.layout.config, built.network.config.to_dict()):
        assert (config["para_mask_id"], config["para_mask_ratio"]) == (0, 0.0)
    assert built.layout.config["use_cache"] is True
    assert built.network.config.text_config.use_cache is True


@pytest.mark.parametrize(
    "older",
    [
        {"model_type": "vrt_qwen2_vl"},
        {"vision_encoder_ls": "absent"},
        {"vision_encoder_ls": 3},
        {"vision_encoder_ls": ["dino", "sam", "clip"]},
        {"seg_image_token_id": "absent", "seg_action_id": "absent", "vision_encoder_ls": "absent"},
        {"clip_image_token_id": None, "clip_action_id": None, "clip_action_start_id": "absent"},
        {"image_token_id": "absent", "projector_scale": "absent"},
    ],
)
def test_older_settings_say_less(checkpoint_copy: Copy, older: dict[str, Any]) -> None:
    built = build(configured(checkpoint_copy("clip"), **older))
    assert built.layout.variant == "clip"
    assert built.network.config.image_token_id == 268
    assert same(built.network, build(DATA / "clip").network)


def test_our_own_format(folder: Path, native: Any) -> None:
    built = build(folder)
    assert (built.layout.variant, built.projectors) == (None, {})
    assert same(built.network, native.network)
    assert built.network.dtype == torch.float32


def test_our_own_format_may_hold_any_projectors(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    from foveal.agent.projectors import ClipProjector, DetectionProjector

    projectors = {"clip": ClipProjector(64, 64), "detection": DetectionProjector(24, 64)}
    shutil.copytree(folder, tmp_path / "own")
    state = load_file(folder / "model.safetensors") | {
        f"{encoder}_projector.{name}": tensor
        for encoder, projector in projectors.items()
        for name, tensor in projector.state_dict().items()
    }
    save_file(state, tmp_path / "own" / "model.safetensors")
    built = build(tmp_path / "own")
    assert built.layout.variant is None
    assert [*built.projectors] == ["clip", "detection"]
    assert same(built.projectors["detection"], projectors["detection"])


def test_bfloat16_is_for_a_gpu_and_for_what_was_made_for_it(folder: Path) -> None:
    released, own = layout(DATA / "clip"), layout(folder)
    half, full = {"a": torch.ones(1, dtype=torch.bfloat16)}, {"a": torch.ones(1)}
    assert precision("cpu", released, half) == torch.float32
    assert precision("cuda:1", released, full) == torch.bfloat16
    assert precision("cuda", own, half) == torch.bfloat16
    assert precision("cuda", own, full) == torch.float32
    built = build(DATA / "clip", dtype=torch.bfloat16)
    assert {p.dtype for p in built.network.parameters()} == {torch.bfloat16}
    assert {b.dtype for b in built.network.buffers()} == {torch.float32}, "angles need all digits"
    assert built.projectors["clip"].linear_condition.weight.dtype == torch.bfloat16


def test_parts_are_found_by_their_names_today() -> None:
    tower = tensors(DATA / "detection", "model.visual.")
    assert "patch_embed.proj.weight" in tower
    assert "encoder.layer.1.attention.k_proj.bias" in tensors(
        DATA / "detection", "detection_model."
    )
    with pytest.raises(
        SetupError, match=r"detection hold nothing under 'seg_model\.'; use a check"
    ):
        tensors(DATA / "detection", "seg_model.")


WIDE = torch.zeros(65, 64)
EMBEDDING = torch.zeros(320, 64)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"model__norm__weight": None}, "missing, first model.language_model.norm.weight"),
        ({"visual__merger__ln_q__bias": None}, "missing, first model.visual.merger.ln_q.bias"),
        ({"clip_projector__linear_feature__bias": None}, "missing, first linear_feature.bias"),
        ({"clip_projector__layernorm_feature__weight": None}, "lack clip_projector.layernorm"),
        ({"model__extra__weight": WIDE}, "unexpected, first model.language_model.extra.weight"),
        ({"optimizer__step": WIDE}, "hold 1 unexpected tensors, first optimizer.step"),
        ({"clip_projector__more": WIDE}, "unexpected, first more"),
        ({"model__layers__0__self_attn__o_proj__weight": WIDE}, "is [65, 64] and should be [64, 64]"),
        ({"clip_projector__linear_condition__weight": WIDE}, "is [65, 64] and should be [64, 64]"),
        ({"lm_head__weight": EMBEDDING}, "lm_head.weight of"),
        ({"model__language_model__norm__weight": WIDE}, "hold model.language_model.norm.weight twice"),
        ({"seg_projector__conv_feature__bias": WIDE}, "holds 2 projectors: clip, seg"),
    ],
)  # fmt: skip
def test_other_tensors_are_refused(
    checkpoint_copy: Copy, tensors: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SetupError) as error:
        build(changed(checkpoint_copy("clip"), **tensors))
    assert reason in error.value.problem


def test_only_what_a_network_computes_itself_is_left_over(checkpoint_copy: Copy) -> None:
    computed = {
        "model__layers__0__self_attn__rotary_emb__inv_freq": torch.zeros(8),
        "visual__rotary_pos_emb__inv_freq": torch.zeros(4),
    }
    built = build(changed(checkpoint_copy("clip"), **computed))
    assert same(built.network, build(DATA / "clip").network)


def test_a_head_of_its_own_is_kept(checkpoint_copy: Copy) -> None:
    """As in the checkpoints of 7B."""
    folder = configured(checkpoint_copy("clip"), tie_word_embeddings=False)
    network = build(changed(folder, lm_head__weight=EMBEDDING)).network
    assert network.lm_head.weight.equal(EMBEDDING)
    assert not network.get_input_embeddings().weight.equal(EMBEDDING)
    with pytest.raises(SetupError, match=r"missing, first lm_head\.weight"):
        build(changed(folder, lm_head__weight=None))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model_type": "llama"}, "holds a 'llama' model"),
        ({"projector_scale": 2}, "projector_scale is 2"),
        (
            {"vision_encoder_ls": ["dino"]},
            "holds a projector for clip, and its config.json speaks of",
        ),
        ({"clip_action_id": 289}, "gives 289 as clip_action_id, the tokenizer says 290"),
        ({"clip_image_token_id": 151657}, "gives 151657 as clip_image_token_id"),
        ({"image_token_id": 269}, "gives 269 as image_token_id, the tokenizer says 268"),
        ({"seg_action_id": 290}, "gives 290 as seg_action_id, the tokenizer does not know it"),
        ({"para_start_id": 0}, "gives 0 as para_start_id"),
        ({"vocab_size": 280}, "has 292 tokens for 280 embeddings"),
        ({"num_hidden_layers": 4}, "do not fit the model: 12 missing"),
        ({"hidden_size": "wide"}, "config.json describes no Qwen2-VL model"),
        ({"num_attention_heads": 0}, "a model cannot be built as the settings of"),
    ],
)
def test_other_settings_are_refused(
    checkpoint_copy: Copy, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SetupError) as error:
        build(configured(checkpoint_copy("clip"), **settings))
    assert reason in error.value.problem
    assert error.value.cure


def test_a_model_without_a_projector_is_none_of_the_released(checkpoint_copy: Copy) -> None:
    folder = checkpoint_copy("clip")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    kept = {name: t for name, t in state.items() if not name.startswith("clip_projector.")}
    torch.save(kept, folder / "pytorch_model.bin")
    with pytest.raises(SetupError, match="holds 0 projectors: none; use a released checkpoint"):
        build(folder)
    assert build(configured(folder, model_type="qwen2_vl")).projectors == {}


def test_a_folder_without_settings_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds no config\.json; name the folder of a Qwen2-VL"):
        layout(tmp_path)
    with pytest.raises(SetupError, match=r"holds no config\.json"):
        build(tmp_path / "absent")
