"""What a tower says is found again by what it says of pictures, whatever the words are today."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from foveal.agent.profiles import embedded_weights
from foveal.training import hearing
from foveal.training.glimpses import stream
from foveal.training.hearing import fitted, heard, shows
from foveal.training.meanings import ATTRIBUTES, Dictionary, places
from foveal.training.networks import finished, tokenizer_of
from foveal.training.projecting import SCALE, looked
from foveal.training.reencoders import encoders_of
from foveal.training.scenes import Scenes
from foveal.training.tower import tokens

GRID = (8, 8)


@pytest.fixture
def words(tokenizer: Any) -> Dictionary:
    table = torch.randn(tokenizer.get_vocab_size(), 256, generator=torch.Generator().manual_seed(5))
    return Dictionary(table, tokenizer)


def test_ideal_tokens_give_back_their_words(words: Dictionary) -> None:
    rng = np.random.default_rng(0)
    drawn = [
        {name: rng.integers(0, 1 + len(known), 64) for name, known in ATTRIBUTES.items()}
        for _ in range(80)
    ]
    seen = torch.cat([words.ideal(said, GRID) for said in drawn])
    said = {name: np.concatenate([one[name] for one in drawn]) for name in ATTRIBUTES}
    found = fitted(seen, shows(said, GRID, pictures=80))
    for name, known in {**words.attributes, "columns": words.columns, "rows": words.rows}.items():
        apart = functional.normalize(found[name] - found[name].mean(0), dim=1)
        assert ((apart * known).sum(1) > 0.9).all(), name


@pytest.fixture(scope="module")
def published() -> Any:
    return finished(embedded_weights())


@pytest.fixture
def today(published: Any) -> Dictionary:
    """The words as the language model spells them now."""
    table = published.get_input_embeddings().weight.detach()
    return Dictionary(table, tokenizer_of(embedded_weights()))


@pytest.fixture
def own(
    published: Any, today: Dictionary, eight: Scenes, monkeypatch: pytest.MonkeyPatch
) -> Dictionary:
    """The same as tower and projectors say them."""
    monkeypatch.setattr(hearing, "BATCHES", 30)
    monkeypatch.setattr(hearing, "LOOKS", 24)
    encoders = encoders_of(embedded_weights())
    return heard(published, today, eight, encoders, np.random.default_rng(0))


def test_the_published_tower_says_more_in_its_own_words_than_in_those_of_today(
    published: Any, today: Dictionary, own: Dictionary, eight: Scenes
) -> None:
    one = next(stream(eight, np.random.default_rng(9), 16))
    with torch.no_grad():
        seen = tokens(published.model.visual, one.images).flatten(0, 1).float()
    columns = places(one.grid)[0].repeat(16)
    right = [
        float(((seen @ tongue.columns.T).argmax(1) == columns).float().mean())
        for tongue in (own, today)
    ]
    assert right[0] > 0.95 > right[1]
    colours = torch.from_numpy(one.said["colour"]).flatten()
    said = 1 + (seen @ own.attributes["colour"].T).argmax(1)
    assert (said == colours)[colours > 0].float().mean() > 0.85
    assert own.scale == pytest.approx(float(seen.norm(dim=1).mean()), rel=0.1)


def test_a_measure_is_found_where_the_projector_says_it(
    published: Any, today: Dictionary, own: Dictionary, eight: Scenes
) -> None:
    solid = next(n for n in range(8) if not eight.flat[n])
    one = looked(eight, solid, "detection", encoders_of(embedded_weights()))
    with torch.no_grad():
        seen = published.detection_projector(torch.from_numpy(one.features), None)
    along = functional.normalize(seen, dim=1) @ own.scales[SCALE["detection"]]
    assert np.corrcoef(along.numpy(), one.measure)[0, 1] > 0.8
    assert not torch.equal(own.scales["larger"], today.scales["larger"])


def test_words_that_nothing_shows_keep_their_direction(
    published: Any, today: Dictionary, eight: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "BATCHES", 1)
    monkeypatch.setattr(hearing, "BATCH", 1)
    own = heard(published, today, eight, {}, np.random.default_rng(0))
    same = (own.attributes["hour"] == today.attributes["hour"]).all(1)
    assert same.any()
    assert not torch.equal(own.columns, today.columns)
    assert own.scales.keys() == today.scales.keys()
