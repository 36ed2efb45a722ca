"""Visual tokens learn to point at words."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from foveal.training.align import alignment_loss
from foveal.training.glimpses import stream
from foveal.training.meanings import ATTRIBUTES, Dictionary
from foveal.training.scenes import Scenes


@pytest.fixture
def network(tokenizer: Any, tiny: Any) -> Any:
    return tiny(tokenizer)


@pytest.fixture
def words(network: Any, tokenizer: Any) -> Dictionary:
    return Dictionary(network.get_input_embeddings().weight.detach(), tokenizer)


def test_the_loss_falls_and_colours_are_told_apart(
    network: Any, words: Dictionary, eight: Scenes
) -> None:
    tower = network.model.visual
    batch = next(stream(eight, np.random.default_rng(0), 2))
    optimiser = torch.optim.AdamW(tower.parameters(), lr=4e-3)
    losses, shares = [], []
    for _ in range(40):
        loss, said = alignment_loss(tower, words, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        shares.append(said["colour"])
    assert losses[-1] < 0.7 * losses[0], losses
    assert shares[-1] > max(0.3, shares[0])


@pytest.fixture
def wide(tokenizer: Any) -> Dictionary:
    """Of a table as wide as the embedded model's: in a narrow one, directions get in each other's way."""
    table = torch.randn(tokenizer.get_vocab_size(), 256, generator=torch.Generator().manual_seed(0))
    return Dictionary(table, tokenizer)


def test_a_token_may_say_everything_at_once(
    wide: Dictionary, eight: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: set[str] = set()
    for batch in islice(stream(eight, np.random.default_rng(0), 2), 20):
        ideal = torch.stack([
            wide.ideal({name: one[number] for name, one in batch.said.items()}, batch.grid)
            for number in range(2)
        ])  # fmt: skip
        guess = torch.randn_like(ideal)
        found: dict[str, float] = {}
        for name, made in {"ideal": ideal, "guess": guess}.items():
            monkeypatch.setattr("foveal.training.align.tokens", lambda *_, made=made: made)
            loss, shares = alignment_loss(None, wide, batch)
            found[name] = float(loss)
            if name == "ideal":
                assert all(share == 1.0 for share in shares.values()), shares
                told |= shares.keys()
        assert found["ideal"] < found["guess"]
    assert told >= ATTRIBUTES.keys() - {"symbol"}  # no scene of these has a card
