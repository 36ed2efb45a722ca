"""A model folder as a network: our own weights, Qwen2-VL, and the released Visual Perception Token checkpoints.

Of the latter (arXiv 2502.17425) both uploads are known, with their older names and missing settings. Nothing is
fetched, nothing is resized, no tensor is left over, and no code in a file is run.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.agent.actions import Encoder
from foveal.agent.checkpoint.assembly import assembled, usable
from foveal.agent.checkpoint.tensor_files import CURE, names, read
from foveal.agent.checkpoint.tensor_names import (
    EMBEDDING,
    HEAD,
    NETWORK_PARTS,
    PROJECTOR_PARTS,
    known,
    renamed,
    unused,
)
from foveal.agent.checkpoint.tokenizer import load_tokenizer, matched_ids
from foveal.agent.errors import SetupError
from foveal.agent.projectors import empty_projector
from foveal.agent.weights import load_config

RELEASED = ("qwen2_vl_vpt", "vrt_qwen2_vl")
"""What the released checkpoints say they are, the newer and the older name."""

OVERRIDES: dict[str, Any] = {"para_mask_id": 0, "para_mask_ratio": 0.0, "use_cache": True}
"""Whatever config.json says: it holds what training left behind, and the mask would hide the image at random."""

ENCODER_NAMES: dict[Encoder, str] = {"clip": "clip", "detection": "dino", "seg": "sam"}
"""What a released config.json calls the encoders."""
_FOREIGN = "name the folder of a Qwen2-VL model"
_DISAGREE = "use weights and a config.json that belong together"


@dataclass(frozen=True)
class Layout:
    """What a model folder says it is."""

    folder: Path
    config: dict[str, Any]
    """config.json, overridden where a released one must not be believed."""
    variant: Encoder | None
    """The one encoder of a released checkpoint; None for our own format and for Qwen2-VL as it is."""


@dataclass(frozen=True)
class Built:
    """A loaded model folder."""

    network: Any
    """Qwen2VLForConditionalGeneration, in evaluation mode."""
    projectors: dict[Encoder, Any]
    """Those whose tensors the folder holds."""
    tokenizer: Any
    layout: Layout


def layout(folder: Path) -> Layout:
    """Read config.json. Raises SetupError when the folder holds no model that can be loaded here."""
    if not (folder / "config.json").is_file():
        raise SetupError(f"{folder} holds no config.json", _FOREIGN)
    config = load_config(folder / "config.json")
    kind = config.get("model_type", "qwen2_vl")
    if kind not in ("qwen2_vl", *RELEASED):
        raise SetupError(f"{folder} holds a {kind!r} model", _FOREIGN)
    if config.get("projector_scale", 1) != 1:
        problem = f"projector_scale is {config['projector_scale']!r} in {folder / 'config.json'}"
        raise SetupError(problem, "use a checkpoint that is conditioned on one control token: 1")
    variant = _variant(folder, config) if kind in RELEASED else None
    text = config.get("text_config")
    nested = {"text_config": text | {"use_cache": True}} if isinstance(text, dict) else {}
    forced = OVERRIDES if variant else {"use_cache": True}
    return Layout(folder, config | forced | nested, variant)


def projected(folder: Path) -> set[Encoder]:
    """The encoders of whose features the folder's weights can make tokens."""
    return _held(names(folder))


def tensors(folder: Path, prefix: str = "") -> dict[str, Any]:
    """The tensors under a prefix of today's names, which is removed; floats as on disk, mapped into memory.

    Raises SetupError when there are none, or the files are not intact.
    """
    found: dict[str, Any] = {}
    for old, tensor in read(
        folder, lambda old: renamed(old).startswith(prefix) and not unused(old)
    ):
        name = renamed(old).removeprefix(prefix)
        if name in found:
            raise SetupError(f"weights of {folder} hold {prefix}{name} twice", CURE)
        found[name] = tensor
    if not found:
        problem = f"weights of {folder} hold nothing under {prefix!r}"
        raise SetupError(problem, "use a checkpoint that has this part")
    return found


def build(folder: Path, device: str = "cpu", dtype: Any = None) -> Built:
    """The network, its projectors and its tokenizer, each tensor in memory once.

    `dtype` by default: bfloat16 on a GPU for what was released or stored so, float32 elsewhere. Raises
    SetupError for anything that is missing, damaged, left over, or does not fit.
    """
    plan = layout(folder)
    tokenizer = load_tokenizer(folder)
    ids = matched_ids(plan.config, tokenizer, plan.variant)
    usable(device)
    state = tensors(folder)
    if foreign := sorted(name for name in state if not known(name)):
        problem = f"weights of {folder} hold {len(foreign)} unexpected tensors, first {foreign[0]}"
        raise SetupError(problem, _FOREIGN)
    kind = dtype or precision(device, plan, state)
    config = network_config(plan.config | ids)
    _fits(config, tokenizer, plan)
    network = _network(config, state, plan, device, kind)
    width = config.text_config.hidden_size
    projectors = {
        encoder: _projector(encoder, part, width, state, plan, device, kind)
        for encoder, part in PROJECTOR_PARTS.items()
        if any(name.startswith(part) for name in state)
    }
    return Built(network, projectors, tokenizer, plan)


def network_config(config: Mapping[str, Any]) -> Any:
    """A Qwen2VLConfig from config.json, flat as it used to be or nested."""
    from transformers import Qwen2VLConfig

    dropped = {"model_type", "architectures", "transformers_version", "torch_dtype", "dtype"}
    try:
        return Qwen2VLConfig(**{key: v for key, v in config.items() if key not in dropped})
    except Exception as error:  # each setting fails in its own way
        reason = str(error).strip().partition("\n")[0]
        raise SetupError(f"config.json describes no Qwen2-VL model: {reason}", _FOREIGN) from error


def precision(device: str, plan: Layout, state: Mapping[str, Any]) -> Any:
    """The floats to compute with: bfloat16 on a GPU for weights that were made for it, else float32."""
    import torch

    halved = plan.variant is not None or any(t.dtype == torch.bfloat16 for t in state.values())
    return torch.float32 if torch.device(device).type == "cpu" or not halved else torch.bfloat16


def _variant(folder: Path, config: Mapping[str, Any]) -> Encoder:
    """The encoder of a released checkpoint, from config.json, and from the tensors where that is not clear."""
    named = config.get("vision_encoder_ls")
    listed = {
        encoder
        for encoder, name in ENCODER_NAMES.items()
        if isinstance(named, list) and name in named
    }
    numbered = {
        encoder
        for encoder in PROJECTOR_PARTS
        if config.get(f"{encoder}_image_token_id") is not None
    }
    told = listed & numbered if listed and numbered else listed | numbered
    held = _held(names(folder))
    if len(held) != 1:
        problem = f"{folder} holds {len(held)} projectors: {', '.join(sorted(held)) or 'none'}"
        raise SetupError(problem, "use a released checkpoint, which has one")
    (variant,) = held
    if (listed or numbered) and variant not in told:
        said = " and ".join(sorted(listed | numbered))
        problem = f"{folder} holds a projector for {variant}, and its config.json speaks of {said}"
        raise SetupError(problem, _DISAGREE)
    return variant


def _held(old_names: Collection[str]) -> set[Encoder]:
    present = {renamed(name).partition(".")[0] + "." for name in old_names}
    return {encoder for encoder, part in PROJECTOR_PARTS.items() if part in present}


def _fits(config: Any, tokenizer: Any, plan: Layout) -> None:
    rows = config.text_config.vocab_size
    if len(tokenizer) > rows:
        problem = (
            f"the tokenizer of {plan.folder} has {len(tokenizer)} tokens for {rows} embeddings"
        )
        raise SetupError(problem, _DISAGREE)


def _network(config: Any, state: Mapping[str, Any], plan: Layout, device: str, dtype: Any) -> Any:
    from transformers import Qwen2VLForConditionalGeneration

    own = {name: t for name, t in state.items() if name.startswith(NETWORK_PARTS)}
    if config.tie_word_embeddings:
        _check_tie(own, plan)
        own.pop(HEAD, None)
    return assembled(
        lambda: Qwen2VLForConditionalGeneration(config), own, plan.folder, device, dtype
    )


def _check_tie(state: Mapping[str, Any], plan: Layout) -> None:
    """A head that is stored although it is the embedding: it must be the same."""
    head, embedding = state.get(HEAD), state.get(EMBEDDING)
    if head is None or embedding is None:
        return
    if not head.equal(embedding):
        problem = f"{HEAD} of {plan.folder} is not the embedding, to which config.json ties it"
        raise SetupError(problem, 'give "tie_word_embeddings": false in config.json')


def _projector(
    encoder: Encoder,
    part: str,
    width: int,
    state: Mapping[str, Any],
    plan: Layout,
    device: str,
    dtype: Any,
) -> Any:
    own = {name.removeprefix(part): t for name, t in state.items() if name.startswith(part)}
    norm = own.get("layernorm_feature.weight")
    if norm is None:
        raise SetupError(f"weights of {plan.folder} lack {part}layernorm_feature.weight", CURE)
    source = f"{plan.folder} ({part}*)"
    return assembled(lambda: empty_projector(encoder, len(norm), width), own, source, device, dtype)
