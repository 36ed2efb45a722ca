"""Strange pictures are doubted, familiar ones and what was read are not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Read
from foveal.agent.errors import SetupError
from foveal.agent.native.calibration import Calibration
from foveal.agent.native.familiarity import FAMILIARITY, STRANGE, Familiarity, pool
from foveal.agent.native.trust import Trust
from foveal.agent.observations import Detected, Failed, Recognised
from foveal.agent.transcript import Asked, Observed

ASKED = Asked(image="a" * 64, size=(120, 90), question="How many?", tools=("detect",))


def tokens(shift: float = 0.0, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(shift, 1, (64, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def known() -> Familiarity:
    pooled = np.stack([pool(tokens(seed=seed)) for seed in range(400)])
    return Familiarity.fitted(pooled[:300], pooled[300:])


def observed(observation: Any) -> Observed:
    return Observed(action=Read(), observation=observation)


def test_few_familiar_pictures_and_all_strange_ones_are_beyond_the_limit(
    known: Familiarity,
) -> None:
    assert sum(known.strange(tokens(seed=seed)) for seed in range(1000, 1200)) < 12
    assert all(known.strange(tokens(shift=1.0, seed=seed)) for seed in range(40))


def test_an_answer_about_a_strange_picture_is_worth_little(known: Familiarity) -> None:
    trust = Trust(familiarity=known)
    cases: list[list[Any]] = [[ASKED], [ASKED, observed(Detected(phrase="cube"))]]
    for items in cases:
        assert trust.of(0.9, items, tokens()) == 0.9
        assert trust.of(0.9, items, tokens(1.0)) == STRANGE
        assert trust.of(0.1, items, tokens(1.0)) == 0.1
        assert trust.of(0.9, items, None) == 0.9


def test_what_was_read_is_trusted_anywhere(known: Familiarity) -> None:
    trust = Trust(familiarity=known)
    read, failed = observed(Recognised()), observed(Failed(error="specialist", message="no"))
    assert trust.of(0.9, [ASKED, read], tokens(1.0)) == 0.9
    assert trust.of(0.9, [ASKED, read, failed], tokens(1.0)) == 0.9
    assert trust.of(0.9, [ASKED, read, observed(Detected(phrase="a"))], tokens(1.0)) == STRANGE
    assert trust.of(0.9, [ASKED, failed], tokens(1.0)) == STRANGE


def test_a_calibrated_answer_is_doubted_all_the_same(known: Familiarity) -> None:
    trust = Trust(Calibration(seen=((0.0, 0.7),), unseen=((0.0, 0.6),)), known)
    assert trust.of(0.9, [ASKED], tokens()) == 0.6
    assert trust.of(0.9, [ASKED], tokens(1.0)) == STRANGE


def test_it_is_kept_beside_weights(known: Familiarity, tmp_path: Path) -> None:
    import torch

    from foveal.agent.weights import save_state

    assert Trust.beside(tmp_path) == Trust()
    state = {"mean": known.mean, "whitening": known.whitening, "limit": np.array(known.limit)}
    save_state(
        {n: torch.from_numpy(np.asarray(v, np.float32)) for n, v in state.items()},
        tmp_path / FAMILIARITY,
    )
    kept = Familiarity.beside(tmp_path)
    assert kept is not None
    for seed in range(20):
        pooled = pool(tokens(seed=seed))
        assert kept.distance(pooled) == pytest.approx(known.distance(pooled), rel=0.01)
    save_state({"mean": torch.zeros(3)}, tmp_path / FAMILIARITY)
    with pytest.raises(SetupError, match="holds mean"):
        Familiarity.beside(tmp_path)
