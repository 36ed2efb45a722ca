"""What a chat model has computed: a cache of keys and values that only grows, in the family's own positions."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from foveal.agent.chat.family import Family, in_line, in_planes


class Network:
    """A vision chat model, and what of its settings a context needs."""

    def __init__(self, model: Any, family: Family) -> None:
        """`model` is what AutoModelForImageTextToText loads."""
        config = model.config
        self.model, self.family = model, family
        self.image = _first(config, "image_token_id", "image_token_index", default=-1)
        """Id of the token that stands for a piece of a picture."""
        self.merge = _first(getattr(config, "vision_config", None), "spatial_merge_size", default=2)
        self.takes = frozenset(signature(model.forward).parameters)

    def inputs(self, processed: Mapping[str, Any]) -> dict[str, Any]:
        """What a processor made, as the model takes it: on its device, floats in its precision."""
        model = self.model
        return {
            name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
            for name, value in processed.items()
            if name in self.takes and hasattr(value, "is_floating_point")
        }


class Context:
    """One conversation: token ids and pictures are appended, logits come back. Runs in the model's thread."""

    def __init__(self, network: Network) -> None:
        from transformers import DynamicCache

        self._network = network
        self._cache: Any = DynamicCache()
        self._next = 0
        self.ids: list[int] = []
        """Every token computed, in order."""
        self.visual = 0
        """Tokens of pictures among them."""

    def append(self, processed: Mapping[str, Any]) -> Any:
        """Compute what a processor made of a piece of the conversation; logits (vocabulary,) after its end."""
        ids = processed["input_ids"][0].tolist()
        inputs = self._network.inputs(processed)
        inputs.pop("attention_mask", None)  # nothing is padded
        inputs.pop("mm_token_type_ids", None)  # what they say is in the positions
        grids = inputs.get("image_grid_thw")
        logits = self._computed(
            inputs, self._positions(ids, [] if grids is None else grids.tolist())
        )
        self.ids += ids
        self.visual += sum(token == self._network.image for token in ids)
        return logits

    def append_ids(self, ids: list[int]) -> Any:
        """Compute tokens of text."""
        import torch

        return self.append({"input_ids": torch.tensor([ids])})

    def _computed(self, inputs: Mapping[str, Any], positions: Any) -> Any:
        out = self._network.model(
            **inputs,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[0, -1].float()

    def _positions(self, ids: list[int], grids: list[Any]) -> Any:
        import torch

        network = self._network
        if network.family.planes:
            places, self._next = in_planes(ids, network.image, grids, self._next, network.merge)
            return torch.tensor(places, device=network.model.device)[:, None]
        line, self._next = in_line(len(ids), self._next)
        return torch.tensor([line], device=network.model.device)


def _first(config: Any, *names: str, default: int) -> int:
    """The first of these settings that is there."""
    found = (getattr(config, name, None) for name in names)
    return next((int(value) for value in found if value is not None), default)
