"""The control state h of a re-encoding, and what an ablation puts in its place.

h is the state from which `<|X_action|>` was predicted. It becomes that token's embedding, and conditions what the
projector makes of the encoder's features (Visual Perception Token, arXiv 2502.17425). The paper does not say
how much of the gain h carries; replacing it answers that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["own", "zero", "random", "other", "none"]
Steer = Callable[[Any], Any]
"""h (hidden,) to the h that is used instead, None for no h at all."""


@dataclass
class Control:
    """Which h is used: the model's own, or a replacement."""

    h: Source = "own"
    """`random` has the norm of the model's own; `other` is the last one of another image's run, at first zero;
    with `none` the token keeps its own embedding and the projector is unconditioned, as in a single plain pass."""
    c: Literal["own", "zero"] = "own"
    """`zero` leaves the projector unconditioned: its output is u, and h is only an embedding."""
    seed: int = 0
    _last: dict[str, Any] = field(default_factory=dict)

    @property
    def conditioned(self) -> bool:
        """Whether the projector is told h."""
        return self.c == "own"

    def of(self, image: str) -> Steer:
        """The replacement for runs on the image with this content hash."""

        def steer(h: Any) -> Any:
            return self._replaced(h, image)

        return steer

    def _replaced(self, h: Any, image: str) -> Any:
        match self.h:
            case "own":
                return h
            case "none":
                return None
            case "zero":
                return h * 0
            case "random":
                return self._noise(h, image)
            case "other":
                return self._anothers(h, image)

    def _noise(self, h: Any, image: str) -> Any:
        import torch

        # Seeded by the image, so that the order in which questions are asked changes nothing.
        generator = torch.Generator().manual_seed(self.seed ^ int(image[:12], 16))
        drawn = torch.randn(h.shape, generator=generator).to(h)
        return drawn * (h.norm() / drawn.norm())

    def _anothers(self, h: Any, image: str) -> Any:
        others = [known for name, known in self._last.items() if name != image]
        self._last = {name: known for name, known in self._last.items() if name != image}
        self._last[image] = h.clone()
        while len(self._last) > 2:
            self._last.pop(next(iter(self._last)))
        return others[-1] if others else h * 0
