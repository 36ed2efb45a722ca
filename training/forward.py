"""The language model's forward pass for packed rows, through the stock modules' own weights.

Stock Qwen2-VL computes the same (a test compares them); this one runs in bfloat16 activations and compiles to
fused loops, which on two cores is several times faster.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from foveal.training.packing import Packed


def rotations(
    positions: torch.Tensor, head: int, theta: float, section: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (rows, 1, length, head) of multimodal rotary positions (3, rows, length)."""
    inverse = theta ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    angles = positions[..., None].float() * inverse.to(positions.device)
    parts = angles.split(section, dim=-1)
    mixed = torch.cat([part[axis] for axis, part in enumerate(parts)], dim=-1)
    both = torch.cat([mixed, mixed], dim=-1)[:, None]
    return both.cos(), both.sin()


def turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate the last dimension by the given cosines and sines."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


def _norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    wide = x.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return (wide * scale * weight).to(torch.bfloat16)


def _attend(
    layer: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    rows, length, width = x.shape
    attention = layer.self_attn
    head = attention.head_dim

    def heads(linear: nn.Linear) -> torch.Tensor:
        out = functional.linear(x, linear.weight.to(x.dtype), linear.bias.to(x.dtype))
        return out.view(rows, length, -1, head).transpose(1, 2)

    q, k = turned(heads(attention.q_proj), cos, sin), turned(heads(attention.k_proj), cos, sin)
    # Written out: the fused kernel's backward pass is several times slower here at these lengths.
    weights = functional.softmax(q @ k.transpose(-1, -2) * head**-0.5 + bias, dim=-1)
    mixed = weights @ heads(attention.v_proj)
    mixed = mixed.transpose(1, 2).reshape(rows, length, width)
    return functional.linear(mixed, attention.o_proj.weight.to(x.dtype))


def stream(
    network: Any, packed: Packed, seen: torch.Tensor | None, states: torch.Tensor | None = None
) -> torch.Tensor:
    """Final hidden states (rows, length, width) of a packed batch.

    `seen` (visual tokens, width) fills the visual places, `states` (n, width) the control tokens,
    both in reading order.
    """
    inner, text = network.model.language_model, network.config.text_config
    embeds = inner.embed_tokens(packed.ids)
    for places, values in ((packed.visual, seen), (packed.controls, states)):
        if values is not None:
            embeds = embeds.masked_scatter(places[..., None], values.to(embeds))
    rope, head = text.rope_parameters, text.hidden_size // text.num_attention_heads
    cos, sin = rotations(packed.positions, head, rope["rope_theta"], rope["mrope_section"])
    return hidden_states(inner, embeds, cos, sin, packed.bias)


def hidden_states(
    inner: Any, embeds: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Final hidden states (rows, length, width) after the last norm.

    `bias` is an additive attention mask (rows, 1, length, length); key and value heads must equal query heads.
    """
    eps = inner.config.rms_norm_eps
    stream = embeds.float()
    cos, sin, bias = (t.to(torch.bfloat16) for t in (cos, sin, bias))
    for layer in inner.layers:
        seen = _attend(layer, _norm(stream, layer.input_layernorm.weight, eps), cos, sin, bias)
        stream = stream + seen
        x = _norm(stream, layer.post_attention_layernorm.weight, eps)
        mlp = layer.mlp
        gate = functional.linear(x, mlp.gate_proj.weight.to(x.dtype))
        up = functional.linear(x, mlp.up_proj.weight.to(x.dtype))
        opened = functional.silu(gate) * up
        stream = stream + functional.linear(opened, mlp.down_proj.weight.to(x.dtype))
    return _norm(stream, inner.norm.weight, eps)
