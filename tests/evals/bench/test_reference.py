"""What ours is timed against does the same work and comes to the same words."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from foveal.agent.native.model import NativeModel
from foveal.evals.bench.dialogue import Dialogue
from foveal.evals.bench.reencoding import compared

LOGITS = 1e-3


@pytest.fixture
def dialogue(model: NativeModel) -> Iterator[Dialogue]:
    """Both have seen the second look."""
    with asyncio.Runner() as runner:
        made = Dialogue(model, runner.run)
        made.first_turn()
        made.look()
        made.prefill()
        yield made


def _logits(dialogue: Dialogue) -> tuple[Any, Any]:
    return dialogue.session._logits, dialogue.reference._logits


def test_both_say_the_same(dialogue: Dialogue) -> None:
    ours, theirs = _logits(dialogue)
    assert torch.allclose(ours, theirs, atol=LOGITS)
    assert ours.std() > 100 * LOGITS
    told = dialogue.decode(16)
    assert dialogue.reference.decode(16) == told
    assert len(set(told)) > 4  # a model that always says the same would agree with anybody


def test_the_reference_uses_the_control_state(dialogue: Dialogue) -> None:
    before = dialogue.reference._logits
    dialogue.reference._controls = frozenset()
    dialogue.prefill()
    assert not torch.allclose(before, dialogue.reference._logits, atol=100 * LOGITS)


def test_ours_computes_new_tokens_only_and_the_reference_everything_twice(
    dialogue: Dialogue,
) -> None:
    usage = dialogue.session.usage
    assert dialogue.looked == dialogue.new
    assert dialogue.reference.prefilled == 2 * (usage.prefilled + usage.emitted)


def test_the_reference_holds_a_copy_while_it_decodes(dialogue: Dialogue) -> None:
    before = dialogue.reference.nbytes
    dialogue.reference.decode(1)
    per_token = dialogue.reference.nbytes - before
    assert dialogue.reference.peak == 2 * before + per_token


def test_findings_of_a_whole_dialogue(model: NativeModel) -> None:
    found = compared(model, 2, 1)
    assert set(found.token.numbers) == {"foveal", "two passes"}
    assert found.prefill.ratio == 1
    assert found.memory.ratio > 2
