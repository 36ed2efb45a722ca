"""The encoders that a checkpoint carries, each loaded alone and built without asking anybody.

The released Visual Perception Token checkpoints (arXiv 2502.17425) hold the encoders' tensors, but not their
configurations: those are the published ones of DINOv2-large and SAM-large. A config.json may name others.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foveal.agent.actions import Encoder
from foveal.agent.checkpoint.assembly import CURE, assembled, usable
from foveal.agent.checkpoint.building import layout, network_config, precision, tensors
from foveal.agent.checkpoint.tensor_names import ENCODER_PARTS
from foveal.agent.errors import SetupError

CONFIGS: dict[Encoder, str] = {"detection": "detection_config", "seg": "seg_config"}
"""The key of config.json under which an encoder's own configuration stands."""

DINOV2_LARGE: dict[str, Any] = {
    "model_type": "dinov2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "image_size": 518,
    "patch_size": 14,
    "num_channels": 3,
    "qkv_bias": True,
    "layerscale_value": 1.0,
    "use_swiglu_ffn": False,
}
SAM_LARGE: dict[str, Any] = {
    "model_type": "sam_vision_model",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "mlp_dim": 4096,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "image_size": 1024,
    "patch_size": 16,
    "num_channels": 3,
    "output_channels": 256,
    "qkv_bias": True,
    "use_abs_pos": True,
    "use_rel_pos": True,
    "window_size": 14,
    "global_attn_indexes": [5, 11, 17, 23],
    "num_pos_feats": 128,
}
_LARGE: dict[Encoder, dict[str, Any]] = {"detection": DINOV2_LARGE, "seg": SAM_LARGE}


def encoder_config(config: Mapping[str, Any], encoder: Encoder) -> dict[str, Any]:
    """How "detection" or "seg" is built: what config.json says under its key, or the large one's values."""
    own = config.get(CONFIGS[encoder])
    if own is not None and not isinstance(own, dict):
        raise SetupError(f"{CONFIGS[encoder]} in config.json is no mapping", "correct or remove it")
    return dict(_LARGE[encoder] if own is None else own)


def load_encoder(folder: Path, encoder: Encoder, device: str = "cpu", dtype: Any = None) -> Any:
    """A checkpoint's vision tower, Dinov2Model or SamVisionEncoder, and nothing else of the checkpoint.

    Raises SetupError when the tensors are missing or do not fit the configuration.
    """
    plan = layout(folder)
    usable(device)
    state = tensors(folder, ENCODER_PARTS[encoder])
    cure = _cure(folder, encoder)
    kind = dtype or precision(device, plan, state)
    return assembled(lambda: _empty(plan.config, encoder), state, folder, device, kind, cure)


def _cure(folder: Path, encoder: Encoder) -> str:
    if encoder == "clip":
        return CURE
    return f'give "{CONFIGS[encoder]}", the sizes of its encoder, in {folder / "config.json"}'


def _empty(config: Mapping[str, Any], encoder: Encoder) -> Any:
    from transformers import Dinov2Config, Dinov2Model, SamVisionConfig
    from transformers.models.qwen2_vl import modeling_qwen2_vl
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    if encoder == "clip":
        vision = network_config(config).vision_config
        return modeling_qwen2_vl.Qwen2VisionTransformerPretrainedModel(vision)
    values = encoder_config(config, encoder)
    values.pop("model_type", None)
    if encoder == "detection":
        return Dinov2Model(Dinov2Config(**values))
    return SamVisionEncoder(SamVisionConfig(**values))
