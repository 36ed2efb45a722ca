"""What visual tokens can say: directions that can be told apart, alone and on top of each other."""

from typing import Any

import numpy as np
import pytest
import torch

from foveal.training.meanings import ATTRIBUTES, Dictionary, places


@pytest.fixture
def words(tokenizer: Any) -> Dictionary:
    """Of a table as wide as the embedded model's."""
    table = torch.randn(tokenizer.get_vocab_size(), 256, generator=torch.Generator().manual_seed(0))
    return Dictionary(table, tokenizer)


def test_directions_are_of_one_length_and_balanced(words: Dictionary) -> None:
    counts = {name: len(values) for name, values in ATTRIBUTES.items()}
    directions = {**words.attributes, "columns": words.columns, "rows": words.rows}
    for name, rows in directions.items():
        assert rows.shape[0] == counts.get(name, 8)
        assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)))
        assert (rows @ rows.T).fill_diagonal_(-1).max() < 0.8, name


@pytest.mark.parametrize(("grid", "last"), [((8, 8), (7, 7)), ((4, 16), (7, 6)), ((5, 3), (5, 6))])
def test_places_count_as_the_region_tokens_do(grid: tuple[int, int], last: tuple[int, int]) -> None:
    columns, rows = places(grid)
    assert len(columns) == len(rows) == grid[0] * grid[1]
    assert (int(columns[0]), int(rows[0])) == (0, 0)
    assert (int(columns[-1]), int(rows[-1])) == last


def test_an_ideal_token_is_nearest_to_what_it_says(words: Dictionary) -> None:
    said = {"colour": np.array([0, 3]), "shape": np.array([0, 5]), "symbol": np.array([-1, 4])}
    ideal = words.ideal(said, (1, 2))
    assert torch.allclose(ideal.norm(dim=1), torch.full((2,), words.scale))
    for name, values in said.items():
        assert int((ideal[1] @ words.attributes[name].T).argmax()) == values[1] - 1
    assert float((ideal[0] @ words.attributes["colour"].T).max()) < float(
        (ideal[1] @ words.attributes["colour"].T).max()
    )
