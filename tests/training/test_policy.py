"""Text dialogues come in every family, fit their rows, and are the same for the same seed."""

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import torch

from foveal.agent.actions import PERCEPTIONS
from foveal.evals.questions import FAMILIES
from foveal.training.corpus import TOOLS
from foveal.training.policy import LENGTH, allowed, batches, sample
from foveal.training.tokenizer import number


def test_mostly_all_tools_are_allowed_and_always_in_the_prompts_order() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(allowed(rng, none=0.3) for _ in range(600))
    assert 0.25 < drawn[()] / 600 < 0.36
    assert 0.46 < drawn[TOOLS] / 600 < 0.60
    assert 0.03 < drawn[("look",)] / 600 < 0.13
    assert len(drawn) > 6
    assert all(list(kinds) == sorted(kinds, key=PERCEPTIONS.index) for kinds in drawn)
    assert {allowed(rng, none=1.0) for _ in range(5)} == {()}


def test_every_family_is_learnt_and_fits_a_row(tokenizer: Any) -> None:
    rng = np.random.default_rng(1)
    made = [sample(rng, tokenizer) for _ in range(600)]
    families = Counter(family for family, _ in made)
    assert families.keys() == {*FAMILIES, "reading", "unheard", "open"}
    assert all(len(sequence.ids) <= LENGTH and not sequence.views for _, sequence in made)
    assert all(sequence.emitted.any() for _, sequence in made)


def test_batches_hold_no_pictures_and_are_well_filled(tokenizer: Any) -> None:
    for packed in islice(batches(tokenizer, 0, 4), 3):
        assert packed.ids.shape == packed.emitted.shape == (4, LENGTH)
        assert packed.positions.shape == (3, 4, LENGTH)
        assert packed.bias.shape == (4, 1, LENGTH, LENGTH)
        assert not packed.visual.any()
        padding = (packed.ids == number(tokenizer, "<|endoftext|>")).float().mean()
        assert padding < 0.4


def test_the_seed_decides_everything(tokenizer: Any) -> None:
    one, two, other = (next(batches(tokenizer, seed, 2)).ids for seed in (4, 4, 5))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
