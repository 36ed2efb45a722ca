"""Tensor names of Qwen2-VL and Visual Perception Token checkpoints, old and new, as transformers 5 spells them."""

import re

from foveal.agent.actions import Encoder

TOWER = "model.visual."
PROJECTOR_PARTS: dict[Encoder, str] = {
    "clip": "clip_projector.",
    "detection": "detection_projector.",
    "seg": "seg_projector.",
}
ENCODER_PARTS: dict[Encoder, str] = {
    "clip": TOWER,
    "detection": "detection_model.",
    "seg": "seg_model.",
}
HEAD = "lm_head.weight"
EMBEDDING = "model.language_model.embed_tokens.weight"
NETWORK_PARTS = (TOWER, "model.language_model.", HEAD)

_RENAMED = (
    (re.compile(r"^depth_projector\."), "clip_projector."),  # what the first upload called it
    (re.compile(r"^visual\."), TOWER),
    (re.compile(r"^model\.(?!visual\.|language_model\.)"), "model.language_model."),
    (
        re.compile(r"^(detection_model\..+\.attention)\.attention\.(?:(q)uery|(k)ey|(v)alue)\."),
        lambda found: f"{found[1]}.{found[2] or found[3] or found[4]}_proj.",
    ),
    (re.compile(r"^(detection_model\..+\.attention)\.output\.dense\."), r"\1.o_proj."),
)
_COMPUTED = re.compile(r"\.rotary_(?:pos_)?emb\.inv_freq$")


def renamed(name: str) -> str:
    """A tensor's name today."""
    for old, new in _RENAMED:
        name = old.sub(new, name)
    return name


def unused(name: str) -> bool:
    """Whether a network computes this itself: the one kind of tensor that old files hold in vain."""
    return _COMPUTED.search(name) is not None


def known(name: str) -> bool:
    """Whether a tensor, by its name today, belongs to a part of a checkpoint."""
    parts = (*NETWORK_PARTS, *PROJECTOR_PARTS.values(), *ENCODER_PARTS.values())
    return name.startswith(parts)
