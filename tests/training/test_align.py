"""Visual tokens learn to point at words."""

from typing import Any

import numpy as np
import pytest
import torch

from foveal.evals.tabletop import COLOURS, SHAPES
from foveal.training.align import Dictionary, alignment_loss
from foveal.training.glimpses import stream
from foveal.training.scenes import Scenes


@pytest.fixture
def network(tokenizer: Any, tiny: Any) -> Any:
    return tiny(tokenizer)


@pytest.fixture
def words(network: Any, tokenizer: Any) -> Dictionary:
    return Dictionary(network.get_input_embeddings().weight.detach(), tokenizer)


def test_directions_are_of_one_length_and_balanced(words: Dictionary) -> None:
    for rows, count in ((words.colours, len(COLOURS)), (words.shapes, len(SHAPES)),
                        (words.columns, 8), (words.rows, 8)):  # fmt: skip
        assert rows.shape[0] == count
        assert torch.allclose(rows.norm(dim=1), torch.ones(count))
        assert (rows @ rows.T).fill_diagonal_(-1).max() < 0.7  # no two words point the same way


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


def test_a_token_may_say_colour_shape_and_place_at_once(
    words: Dictionary, eight: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(stream(eight, np.random.default_rng(0), 2))
    rows, columns = batch.grid
    nothing = torch.zeros(1, words.colours.shape[1])
    place = torch.arange(rows * columns)
    ideal = (
        torch.cat([nothing, words.colours])[torch.from_numpy(batch.colours)]
        + torch.cat([nothing, words.shapes])[torch.from_numpy(batch.shapes)]
        + 0.3 * words.columns[place % columns * 8 // columns]
        + 0.3 * words.rows[place // columns * 8 // rows]
    )
    ideal = ideal / ideal.norm(dim=-1, keepdim=True) * words.scale
    guess = torch.randn_like(ideal)
    found: dict[str, float] = {}
    for name, made in {"ideal": ideal, "guess": guess / guess.norm(dim=-1, keepdim=True)}.items():
        monkeypatch.setattr("foveal.training.align.tokens", lambda *_, made=made: made)
        loss, shares = alignment_loss(None, words, batch)
        found[name] = float(loss)
        if name == "ideal":
            assert shares == {"colour": 1.0, "shape": 1.0}
    assert found["ideal"] < found["guess"]
