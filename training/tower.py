"""The vision tower's forward pass on pictures of one size, through the stock modules' own weights.

Stock Qwen2-VL gives the same tokens (a test compares them); this one takes a whole batch at once in bfloat16.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from foveal.training.forward import turned

PATCH, MERGE = 14, 2
CELL = PATCH * MERGE
"""Pixels on a side of one merged token."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def patches(images: NDArray[np.uint8]) -> torch.Tensor:
    """(pictures, patches, 588) normalised patches of pictures (pictures, height, width, 3), in merge order."""
    count, height, width, _ = images.shape
    x = torch.from_numpy(images).float().div_(255).sub_(torch.tensor(MEAN)).div_(torch.tensor(STD))
    x = x.view(count, height // CELL, MERGE, PATCH, width // CELL, MERGE, PATCH, 3)
    return x.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(count, -1, 3 * PATCH * PATCH)


def rotation(tower: Any, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (patches, head) for a grid of merged rows and columns."""
    y = torch.arange(rows * MERGE).view(rows, 1, MERGE, 1)
    x = torch.arange(columns * MERGE).view(1, columns, 1, MERGE)
    shape = (rows, columns, MERGE, MERGE)
    places = torch.stack([y.expand(shape).reshape(-1), x.expand(shape).reshape(-1)], dim=1)
    inverse = tower.rotary_pos_emb.inv_freq
    angles = (places[..., None].to(inverse.device) * inverse).flatten(1)
    both = torch.cat([angles, angles], dim=-1)
    return both.cos(), both.sin()


def tokens(tower: Any, images: NDArray[np.uint8]) -> torch.Tensor:
    """(pictures, merged tokens, hidden) for pictures of one size whose sides are multiples of 28 pixels."""
    half = torch.bfloat16
    # Both frames of a still picture are equal, so the two temporal slices of the kernel add up.
    kernel = tower.patch_embed.proj.weight.sum(2).flatten(1)
    x = functional.linear(patches(images).to(kernel.device, half), kernel.to(half)).float()
    cos, sin = rotation(tower, images.shape[1] // CELL, images.shape[2] // CELL)
    cos, sin = cos.to(half), sin.to(half)
    for block in tower.blocks:
        x = x + _attend(block, _normed(block.norm1, x), cos, sin)
        inner = _linear(block.mlp.fc1, _normed(block.norm2, x))
        x = x + _linear(block.mlp.fc2, inner * torch.sigmoid(1.702 * inner))
    merger = tower.merger
    merged = _normed(merger.ln_q, x).reshape(len(x), -1, merger.hidden_size)
    return _linear(merger.mlp[2], functional.gelu(_linear(merger.mlp[0], merged))).float()


def _attend(block: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    count, length, width = x.shape
    attention = block.attn
    q, k, v = (
        _linear(attention.qkv, x)
        .view(count, length, 3, attention.num_heads, -1)
        .permute(2, 0, 3, 1, 4)
    )
    q, k = turned(q, cos, sin), turned(k, cos, sin)
    weights = functional.softmax(q @ k.transpose(-1, -2) * attention.scaling, dim=-1)
    return _linear(attention.proj, (weights @ v).transpose(1, 2).reshape(count, length, width))


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    out = functional.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    return out.to(torch.bfloat16)


def _linear(linear: Any, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, linear.weight.to(x.dtype), linear.bias.to(x.dtype))
