"""Several stretches of context in one forward pass, each attending to its own past alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foveal.agent.native.kv import KeyValues

ATTENTION = "foveal_packed"
"""The name of `_attend` among transformers' attention functions."""


@dataclass(frozen=True)
class Stretch:
    """The next tokens of one conversation."""

    embeds: Any
    """(tokens, hidden)"""
    positions: Any
    """(3, tokens): time, height and width."""
    cache: KeyValues


@dataclass(frozen=True)
class Computed:
    """What the model made of a stretch."""

    states: Any
    """(tokens, hidden), after the final norm."""
    logits: Any
    """(vocabulary,) after the last token, float32."""


def prepare(network: Any) -> Any:
    """The network, with attention that understands packed stretches; plain calls work as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    network.config.text_config._attn_implementation = ATTENTION
    return network


def packed(network: Any, stretches: Sequence[Stretch]) -> list[Computed]:
    """What the model makes of every stretch; their caches grow by it."""
    import torch

    counts = [len(stretch.embeds) for stretch in stretches]
    out = network.model.language_model(
        inputs_embeds=torch.cat([stretch.embeds for stretch in stretches])[None],
        position_ids=torch.cat([stretch.positions for stretch in stretches], dim=1)[:, None],
        attention_mask={"full_attention": [_mask(stretch) for stretch in stretches]},
        past_key_values=_Caches([stretch.cache for stretch in stretches], counts),
        use_cache=True,
    )
    states = out.last_hidden_state[0].split(counts)
    logits = network.lm_head(torch.stack([one[-1] for one in states])).float()
    for stretch, count in zip(stretches, counts, strict=True):
        stretch.cache.grow(count)
    return [Computed(one, row) for one, row in zip(states, logits, strict=True)]


class _Caches:
    """What the layers take for a cache: hands every stretch its own keys and values."""

    def __init__(self, caches: Sequence[KeyValues], counts: list[int]) -> None:
        self._caches, self._counts = caches, counts

    def update(self, keys: Any, values: Any, layer: int) -> tuple[list[Any], list[Any]]:
        """(1, heads, tokens of all, width) in; per stretch (heads, its whole length, width) out."""
        news = zip(
            self._caches, keys[0].split(self._counts, 1), values[0].split(self._counts, 1), strict=True
        )  # fmt: skip
        grown = [cache.append(layer, k, v) for cache, k, v in news]
        return [k for k, _ in grown], [v for _, v in grown]


def _mask(stretch: Stretch) -> Any:
    """(new, past + new), True where a token may look: everything before it. None when nothing is hidden."""
    import torch

    new, past = len(stretch.embeds), stretch.cache.length
    if new == 1:
        return None
    whole = torch.ones(new, past + new, dtype=torch.bool, device=stretch.embeds.device)
    return whole.tril(past)


def _attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[Any, None]:
    """(1, heads, tokens of all, width) against every stretch's own keys; (1, tokens, heads, width) out."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if isinstance(key, torch.Tensor):  # somebody calls the network as transformers made it
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return out, None
    counts = [1 if mask is None else len(mask) for mask in attention_mask]
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            q[None], k[None], v[None], mask, scale=options["scaling"], enable_gqa=True
        )
        for q, k, v, mask in zip(query[0].split(counts, 1), key, value, attention_mask, strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None
