"""What a native session has computed: a KV cache that only ever grows, and where its next token stands."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.observations import VisualTokens
from foveal.agent.positions import text_positions, visual_positions

Part = list[int] | tuple[NDArray[np.floating[Any]], tuple[int, int, int]]
"""Token ids, or an image as its merged tokens (tokens, hidden) and its patch grid."""


class Context:
    """One causal pass over a conversation, computed a stretch at a time."""

    def __init__(self, network: Any) -> None:
        from transformers import DynamicCache

        self._network = network
        self._cache = DynamicCache(config=network.config.text_config)
        self._next = 0
        self.prefilled = 0
        """Tokens computed so far."""
        self.visual = 0
        """Visual tokens among them."""

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return int(self._cache.get_seq_length())

    def extend(self, parts: Sequence[Part]) -> Any:
        """Append parts in one forward pass; returns the logits (vocabulary,) after the last token."""
        import torch

        with torch.inference_mode():
            embeds, positions = self._inputs(parts)
            out = self._network.model.language_model(
                inputs_embeds=embeds,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
            )
            self.prefilled += embeds.shape[1]
            return self._network.lm_head(out.last_hidden_state[0, -1]).float()

    def _inputs(self, parts: Sequence[Part]) -> tuple[Any, Any]:
        """Embeddings (1, length, hidden) and positions (3, 1, length) of the parts."""
        import torch

        table = self._network.get_input_embeddings()
        device, dtype = table.weight.device, table.weight.dtype
        embeds, axes = [], ([], [], [])  # type: ignore[var-annotated]
        for part in parts:
            if isinstance(part, list):
                embeds.append(table(torch.tensor(part, device=device, dtype=torch.long)))
                places, self._next = text_positions(len(part), self._next)
            else:
                values, grid = part
                embeds.append(torch.as_tensor(np.asarray(values), device=device, dtype=dtype))
                tokens = VisualTokens(key="", grid=grid)
                self.visual += tokens.count
                places, self._next = visual_positions(tokens, self._next)
            for axis, place in zip(axes, places, strict=True):
                axis += place
        return torch.cat(embeds)[None], torch.tensor(axes, device=device)[:, None]
