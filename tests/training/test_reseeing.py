"""Re-encoded tokens depend on the state in which they were asked for, and that state learns from them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.profiles import embedded_weights
from foveal.training import pictured
from foveal.training.pictured import Composer
from foveal.training.reencoders import (
    Encoders,
    add_projectors,
    blocks_of,
    encoders_of,
    patches_of,
)
from foveal.training.reseeing import Again, seen
from foveal.training.scenes import Scenes
from foveal.training.sightings import Faults
from foveal.training.stages import emission_loss
from foveal.training.subjects import rendered
from foveal.training.tokenizer import number


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return encoders_of(embedded_weights())


@pytest.fixture
def network(tokenizer: Any, tiny: Any) -> Any:
    made = tiny(tokenizer)
    add_projectors(made)
    return made


def asking(eight: Scenes, tokenizer: Any, encoders: Encoders, rows: int = 3) -> Any:
    """A batch in which something is seen again."""
    source = rendered(eight, (), encoders)
    for batch in Composer((source,), tokenizer, 0).batches(rows):
        if any(isinstance(shown, Again) for shown in batch.pictures):
            return batch
    raise AssertionError("endless")


@pytest.mark.parametrize("size", [(512, 512), (640, 480), (300, 500), (64, 64), (810, 1080)])
def test_training_counts_the_tokens_that_serving_makes(
    network: Any, encoders: Encoders, size: tuple[int, int]
) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for kind, grid in (("detection", patches_of), ("seg", blocks_of)):
        features = torch.from_numpy(encoders[kind](image))  # type: ignore[index]
        rows, columns = grid(*size)
        assert len(getattr(network, f"{kind}_projector")(features, None)) == rows * columns


def test_rows_that_only_re_encode_ask_for_what_it_tells(
    eight: Scenes, tokenizer: Any, encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictured, "AGAIN", 1.0)
    monkeypatch.setattr(pictured, "POINTING", 0.0)
    composer = Composer((rendered(eight, (), encoders),), tokenizer, 4)
    kinds: Counter[str] = Counter()
    for _ in range(40):
        kinds.update(one.encoder for one in composer.row()[1] if isinstance(one, Again))
    assert min(kinds[kind] for kind in ("detection", "seg", "clip")) > 4


def test_every_control_token_has_its_re_encoding(
    eight: Scenes, tokenizer: Any, network: Any, encoders: Encoders
) -> None:
    batch = asking(eight, tokenizer, encoders)
    again = [shown.encoder for shown in batch.pictures if isinstance(shown, Again)]
    answered = again.count("detection") + again.count("seg") + again.count("clip") / 4
    tokens, states = seen(network, batch.packed, batch.pictures)
    assert states is not None
    assert len(states) == int(batch.packed.controls.sum()) >= answered > 0
    assert len(tokens) == int(batch.packed.visual.sum())


def test_a_re_encoding_that_failed_takes_no_others_state(
    eight: Scenes, tokenizer: Any, network: Any, encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictured, "DOUBTFUL", Faults(failed=0.4))
    for name, share in (("AGAIN", 1.0), ("MEASURING", 0.0), ("POINTING", 0.0)):
        monkeypatch.setattr(pictured, name, share)
    batch = asking(eight, tokenizer, encoders, rows=6)
    told: list[torch.Tensor] = []
    for kind in ("clip", "detection", "seg"):
        projector = getattr(network, f"{kind}_projector")
        projector.register_forward_hook(lambda _, given, __: told.append(given[1]))
    _, states = seen(network, batch.packed, batch.pictures)
    assert states is not None
    assert len(told) < len(states)
    wanted = [states[place] for place in answered(batch, number(tokenizer, "<|vision_start|>"))]
    assert all(torch.equal(one, state) for one, state in zip(told, wanted, strict=True))


def answered(batch: Any, opening: int) -> list[int]:
    """Of every picture that is opened after a control token, which one."""
    found: list[int] = []
    control = -1
    for row, held in zip(batch.packed.ids.tolist(), batch.packed.controls.tolist(), strict=True):
        waiting = False
        for token, asks in zip(row, held, strict=True):
            control, waiting = (control + 1, True) if asks else (control, waiting)
            if token == opening and waiting:
                found.append(control)
    return found


def test_projector_and_state_learn_together(
    eight: Scenes, tokenizer: Any, network: Any, encoders: Encoders
) -> None:
    batch = asking(eight, tokenizer, encoders)
    tokens, states = seen(network, batch.packed, batch.pictures)
    loss, _ = emission_loss(network, batch.packed, tokens, states)
    loss.backward()
    kind = next(shown.encoder for shown in batch.pictures if isinstance(shown, Again))
    condition = getattr(network, f"{kind}_projector").linear_condition.weight
    assert condition.grad.abs().sum() > 0
    assert states is not None
    assert states.requires_grad
    assert all(p.grad is None for p in network.model.visual.parameters())


@pytest.mark.parametrize("encoder", ["clip", "detection", "seg"])
def test_before_it_is_learnt_conditioning_changes_little(network: Any, encoder: str) -> None:
    """Of what projectors learn to say without it nothing is lost."""
    made = getattr(network, f"{encoder}_projector")
    width = made.layernorm_feature.weight.shape[0]
    drawn = torch.Generator().manual_seed(0)
    shape = (width, 16, 16) if encoder == "seg" else (12, width)
    features = torch.randn(shape, generator=drawn)
    state = 11 * torch.randn(made.layernorm_condition.weight.shape[0], generator=drawn)
    with torch.no_grad():
        plain, conditioned = made(features, None), made(features, state)
    assert (conditioned - plain).norm() < 0.2 * plain.norm()
    assert not torch.equal(conditioned, plain)


def test_the_state_does_not_depend_on_what_it_asks_for(
    eight: Scenes, tokenizer: Any, network: Any, encoders: Encoders
) -> None:
    batch = asking(eight, tokenizer, encoders)
    others = tuple(
        Again(s.encoder, s.values[..., ::-1].copy(), s.count) if isinstance(s, Again) else s
        for s in batch.pictures
    )
    with torch.no_grad():
        tokens, states = seen(network, batch.packed, batch.pictures)
        changed, same = seen(network, batch.packed, others)
    assert states is not None
    assert same is not None
    assert torch.equal(states, same)
    assert not torch.equal(tokens, changed)
