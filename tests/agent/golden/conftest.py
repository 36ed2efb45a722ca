"""Tiny checkpoints in the released format, the paper's outputs for them, and a tape of what a session computes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import Encoder
from foveal.agent.native import decoding
from foveal.agent.native.context import Context, Part
from foveal.agent.native.control import Control
from foveal.agent.native.engine import Steps
from foveal.agent.native.model import NativeModel
from foveal.agent.vpt import Paper, Trigger
from foveal.tools.reencoders import DinoEncoder, SamEncoder

DATA = Path(__file__).parents[2] / "data/vpt"
IMAGES = {"0" * 64: "img0.png", "1" * 64: "img1.png"}


class Desk:
    """The two source pictures by their hash, and features that a worker would have left."""

    def __init__(self, features: dict[str, NDArray[Any]]) -> None:
        self._features = features

    def pixels(self, image: str) -> NDArray[np.uint8]:
        return np.asarray(Image.open(DATA / "images" / IMAGES[image]).convert("RGB"))

    def array(self, key: str) -> NDArray[Any]:
        return self._features[key]


@dataclass
class Roll:
    """Everything that one context was fed, and the states it gave."""

    fed: list[Any] = field(default_factory=list)
    at: list[Any] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)

    def embeds(self) -> NDArray[np.float32]:
        """(tokens, hidden)"""
        return np.asarray(torch.cat(self.fed))

    def positions(self) -> NDArray[np.int64]:
        """(3, tokens)"""
        return np.asarray(torch.cat(self.at, dim=1))

    def states(self) -> Any:
        """(tokens, hidden), after the final norm."""
        return torch.cat(self.made)

    def logits(self, network: Any) -> NDArray[np.float32]:
        """(tokens, vocabulary)"""
        with torch.inference_mode():
            return np.asarray(network.lm_head(self.states()).float())


@pytest.fixture(scope="session")
def golden() -> Callable[[Encoder], dict[str, NDArray[Any]]]:
    """The arrays of a variant."""
    known: dict[Encoder, dict[str, NDArray[Any]]] = {}

    def arrays(variant: Encoder) -> dict[str, NDArray[Any]]:
        if variant not in known:
            with np.load(DATA / variant / "golden.npz") as file:
                known[variant] = {name: file[name] for name in file.files}
        return known[variant]

    return arrays


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the checkpoints and of what the paper's code gave."""
    return DATA


@pytest.fixture(scope="session")
def paper() -> Callable[..., NativeModel]:
    """A tiny checkpoint, by its variant or its folder, spoken to with a trigger."""

    def model(
        variant: Encoder | Path, trigger: Trigger = "reencode", control: Control | None = None
    ) -> NativeModel:
        return NativeModel.from_folder(DATA / variant, Paper(trigger), control=control)

    return model


@pytest.fixture(scope="session")
def desk(golden: Any, seg_checkpoint: Path) -> Desk:
    """The pictures, and their features under "<picture> <encoder>"; DINOv2's of the first are the reference's."""
    bare, dino = Desk({}), DinoEncoder.from_folder(DATA / "detection")
    sam = SamEncoder.from_folder(seg_checkpoint)
    first, second = (bare.pixels(image) for image in IMAGES)
    return Desk({
        "0 detection": golden("detection")["round2.detection_features"][0, 1:],
        "1 detection": dino.encode_all([second])[0].values,
        "0 seg": sam.encode_all([first])[0].values,
    })  # fmt: skip


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Roll]:
    """The roll of a session, on which everything is recorded that its context computes."""
    rolls: dict[Context, Roll] = {}
    extend = Context.extend

    def recorded(self: Context, parts: Sequence[Part]) -> Steps[Any]:
        roll = rolls.setdefault(self, Roll())
        steps, made = extend(self, parts), None
        while True:
            try:
                stretch = next(steps) if made is None else steps.send(made)
            except StopIteration as end:
                return end.value
            made = yield stretch
            roll.fed.append(stretch.embeds)
            roll.at.append(stretch.positions)
            roll.made.append(made.states)

    monkeypatch.setattr(Context, "extend", recorded)
    return lambda session: rolls[session._context]


@pytest.fixture
def steer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Sequence[int | None]], None]]:
    """Makes the model choose these tokens next; None lets it choose. The grammar must allow every one of them."""
    wanted: list[int | None] = []
    pick = decoding._pick

    def steered(logits: Any, named: list[int], words: Any) -> tuple[int, float]:
        token = wanted.pop(0) if wanted else None
        if token is None:
            return pick(logits, named, words)
        assert token in named or token in words
        return token, 1.0

    monkeypatch.setattr(decoding, "_pick", steered)
    yield wanted.extend
    assert not wanted, "the model stopped before it was steered to the end"


@pytest.fixture
def together() -> Callable[..., Awaitable[list[Any]]]:
    """Lets acts begin at the same moment, so that every step of theirs is one pass."""

    async def run(engine: Any, *acts: Awaitable[Any]) -> list[Any]:
        gate = threading.Event()
        engine._thread.submit(gate.wait)
        tasks = [asyncio.ensure_future(act) for act in acts]
        for _ in range(3):  # each has asked for its first pass
            await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks)

    return run
