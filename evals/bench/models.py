"""Models to time: the embedded one, and random ones of a given shape that take seconds to make."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.dialogue import Foveal
from foveal.agent.errors import SetupError
from foveal.agent.native.model import NativeModel
from foveal.agent.profiles import embedded_weights, load
from foveal.agent.vision import Encoded
from foveal.agent.vpt import Paper


@dataclass(frozen=True)
class Shape:
    """A Qwen2-VL language model's sizes."""

    hidden: int
    layers: int
    heads: int
    key_heads: int
    mlp: int
    words: int | None = None
    """Rows of the vocabulary; None for as many as the tokenizer has."""
    sections: tuple[int, int, int] = (16, 24, 24)
    """Rotary frequencies for time, height and width: half a head."""
    half: bool = False
    """In bfloat16."""


TINY = Shape(hidden=64, layers=3, heads=4, key_heads=2, mlp=128, sections=(2, 3, 3))
"""As the tiny checkpoints that the paper's own code was run on."""
TWO_BILLION = Shape(
    hidden=1536, layers=28, heads=12, key_heads=2, mlp=8960, words=151_936, half=True
)
"""Qwen2-VL-2B, without its vision tower."""
ROOM = 6 * 2**30
"""Bytes of memory that making and running it takes."""
GLANCE, FULL = (1, 16, 16), (1, 36, 36)
"""Patches of a picture before the 2 x 2 merge: 64 tokens, and 324 as the paper's 512 x 512 pixels make."""


def embedded() -> NativeModel:
    """The model in the wheel."""
    return NativeModel.from_folder(embedded_weights(), Foveal(load("embedded").system))


def random_model(shape: Shape, grid: tuple[int, int, int] = FULL) -> NativeModel:
    """A model of this shape that speaks as the released checkpoints do, with the embedded tokenizer.

    Its eyes are closed: every picture is `grid` patches of the same noise to it, and costs nothing to see.
    Raises SetupError where memory is short.
    """
    import torch

    from foveal.agent.checkpoint.tokenizer import load_tokenizer
    from foveal.agent.projectors import ClipProjector

    if shape.half:
        _check_room()
    tokenizer = load_tokenizer(embedded_weights())
    dtype = torch.bfloat16 if shape.half else torch.float32
    torch.manual_seed(0)
    projector = ClipProjector(shape.hidden, shape.hidden).to(dtype).eval()
    return NativeModel(
        _network(shape, tokenizer, dtype),
        tokenizer,
        ClosedEyes(shape.hidden, grid),  # type: ignore[arg-type]  # sees as a VisionEncoder does
        Paper("reencode"),
        projectors={"clip": projector},
    )


class ClosedEyes:
    """A vision tower that always sees the same noise."""

    def __init__(self, hidden: int, grid: tuple[int, int, int]) -> None:
        tokens = grid[0] * grid[1] * grid[2] // 4
        values = np.random.default_rng(0).standard_normal((tokens, hidden), np.float32)
        self.seen = Encoded(0.02 * values, grid)

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """The noise."""
        return self.seen


def _network(shape: Shape, tokenizer: Any, dtype: Any) -> Any:
    from transformers import Qwen2VLForConditionalGeneration

    from foveal.agent.checkpoint.assembly import assembled
    from foveal.agent.checkpoint.building import network_config

    config = network_config(_config(shape, len(tokenizer)))

    def make() -> Any:
        return Qwen2VLForConditionalGeneration(config)

    return assembled(make, _Noise(make), Path("random"), dtype=dtype)


def _config(shape: Shape, words: int) -> dict[str, Any]:
    rope = {
        "rope_type": "default",
        "rope_theta": 1_000_000.0,
        "mrope_section": list(shape.sections),
    }
    text = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "intermediate_size": shape.mlp,
        "vocab_size": shape.words or words,
        "rope_parameters": rope,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {"depth": 1, "embed_dim": 32, "hidden_size": shape.hidden, "num_heads": 2}
    return {"text_config": text, "vision_config": vision, "tie_word_embeddings": True}


class _Noise(Mapping[str, Any]):
    """Every tensor of a network as a window of the same noise, which takes no memory and no time to draw."""

    def __init__(self, make: Any) -> None:
        import torch

        with torch.device("meta"):
            expected = make().state_dict(keep_vars=True)
        first = {id(tensor): name for name, tensor in reversed(expected.items())}
        self._shapes = {name: expected[name].shape for name in first.values()}
        longest = max(3 * shape[0] + shape[1:].numel() for shape in self._shapes.values())
        noise = torch.randn(longest, generator=torch.Generator().manual_seed(0))
        widths = {shape[1:].numel() for shape in self._shapes.values()}
        self._noise = {width: noise / width**0.5 for width in widths}

    def __getitem__(self, name: str) -> Any:
        """Norms are one; each row of a matrix starts three numbers after the row before."""
        import torch

        shape = self._shapes[name]
        if len(shape) == 1:
            return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
        width = shape[1:].numel()
        rows = self._noise[width].as_strided((shape[0], width), (3, 1))
        return rows.reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def _check_room() -> None:
    """Linux says how much memory there is; elsewhere it is tried."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    if free < ROOM:
        problem = (
            f"a 2B-shaped model needs {ROOM / 2**30:g} GiB of memory, {free / 2**30:.1f} are free"
        )
        raise SetupError(problem, "end other programs, or measure the other rows with --only")
