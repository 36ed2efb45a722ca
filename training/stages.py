"""The stages of the language model's training, each a task for the training loop."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.agent.weights import save_state
from foveal.training import projecting
from foveal.training.align import alignment_loss
from foveal.training.forward import stream as computed
from foveal.training.glimpses import stream
from foveal.training.loop import Numbers, Options
from foveal.training.meanings import Dictionary
from foveal.training.packing import Packed
from foveal.training.pictured import Composer
from foveal.training.policy import batches
from foveal.training.reencoders import Encoders
from foveal.training.reseeing import seen
from foveal.training.scenes import Scenes
from foveal.training.subjects import Source, fancied

T = TypeVar("T")


class _Stage:
    """What the stages have in common: one network, parts of which learn."""

    def __init__(self, network: Any, learns: Callable[[str], bool]) -> None:
        """`learns` tells by a parameter's name whether it takes part."""
        self.model = network
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(learns(name))

    def export(self, model: Any, out: Path) -> None:
        save_state(model.state_dict(), out / "model.safetensors")


def _sees(name: str) -> bool:
    return "visual" in name


def _speaks(name: str) -> bool:
    return not _sees(name)


def _reads(name: str) -> bool:
    """Projectors keep what they have learnt to say: trained on, their conditioning grows until it drowns that."""
    return _speaks(name) and "_projector." not in name


class Policy(_Stage):
    """Stage one: text dialogues; vision does not take part."""

    def __init__(self, network: Any, tokenizer: Tokenizer, options: Options) -> None:
        super().__init__(network, _speaks)
        self._batches = _resumable(
            lambda start: batches(tokenizer, options.seed + start, options.batch)
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return emission_loss(self.model, self._batches(step), None)


class Alignment(_Stage):
    """The tower alone learns to say what it sees, in the words of the policy."""

    def __init__(self, network: Any, words: Dictionary, options: Options, scenes: Scenes) -> None:
        super().__init__(network, _sees)
        self.words = words.to(options.device)
        self._glimpses = _resumable(
            lambda start: stream(
                scenes, np.random.default_rng([options.seed, start]), options.batch
            )
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return alignment_loss(self.model.model.visual, self.words, self._glimpses(step))


class Projection(_Stage):
    """The projectors of the other encoders learn to speak in the same words, their encoders kept still."""

    def __init__(
        self,
        network: Any,
        words: Dictionary,
        options: Options,
        scenes: Scenes,
        encoders: Encoders,
    ) -> None:
        super().__init__(
            network, lambda name: name.startswith(("detection_projector", "seg_projector"))
        )
        self.words = words.to(options.device)
        self._looks = _resumable(
            lambda start: projecting.stream(
                scenes, encoders, np.random.default_rng([options.seed, start]), options.batch
            )
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        return projecting.projection_loss(self.model, self.words, self._looks(step))


class _Beside(_Stage):
    """Dialogues beside visual tokens, with the tower and the projectors kept still."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, options: Options, sources: tuple[Source, ...]
    ) -> None:
        super().__init__(network, _reads)
        self._illustrated = _resumable(
            lambda start: Composer(sources, tokenizer, options.seed + start).batches(
                options.batch // 2
            )
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        shown = self._illustrated(step)
        packed = shown.packed.to(self.model.device)
        return emission_loss(self.model, packed, *seen(self.model, packed, shown.pictures))


class Imagination(_Beside):
    """The language model learns to understand visual tokens, of scenes that nobody drew."""

    def __init__(
        self,
        network: Any,
        tokenizer: Tokenizer,
        words: Dictionary,
        options: Options,
        encoders: Collection[Encoder] = (),
    ) -> None:
        """`encoders` are those through which scenes may be imagined as well."""
        super().__init__(network, tokenizer, options, (fancied(words, encoders),))


class Pictured(_Beside):
    """The same with what the tower makes of pictures, and imagined scenes between them."""

    def __init__(
        self,
        network: Any,
        tokenizer: Tokenizer,
        words: Dictionary,
        options: Options,
        pictures: Source,
        encoders: Collection[Encoder] = (),
    ) -> None:
        """`pictures` come twice as often as imagined scenes."""
        sources = (pictures, pictures, fancied(words, encoders))
        super().__init__(network, tokenizer, options, sources)


def emission_loss(
    network: Any, packed: Packed, seen: Tensor | None, states: Tensor | None = None
) -> tuple[Tensor, Numbers]:
    """Mean cross-entropy of the emitted tokens; `seen` (visual tokens, hidden) fills the visual places.

    `states` (n, hidden) are fed as the control tokens.
    """
    packed = packed.to(network.device)
    inner, hidden = network.model.language_model, computed(network, packed, seen, states)
    before, wanted = hidden[:, :-1][packed.emitted[:, 1:]], packed.ids[:, 1:][packed.emitted[:, 1:]]
    scores = functional.linear(before, inner.embed_tokens.weight.to(before.dtype)).float()
    right = (scores.detach().argmax(-1) == wanted).float().mean()
    return functional.cross_entropy(scores, wanted), {"right": round(float(right), 4)}


def _resumable(make: Callable[[int], Iterator[T]]) -> Callable[[int], T]:
    """A function from step to batch: a stream that starts afresh, elsewhere, when training is resumed."""
    running: list[Iterator[T]] = []

    def batch(step: int) -> T:
        if not running:
            running.append(make(step))
        return next(running[0])

    return batch
