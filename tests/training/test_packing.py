"""Packed dialogues are computed as if each were alone; nothing of one reaches another."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from foveal.training.encode import Sequence, encode
from foveal.training.forward import hidden_states, rotations
from foveal.training.packing import Packed, Row, fill, stack
from foveal.training.pictured import view_grid
from foveal.training.tokenizer import number


@pytest.fixture(scope="module")
def network(tokenizer: Any, tiny: Any) -> Any:
    return tiny(tokenizer).eval()


@pytest.fixture(scope="module")
def three(tokenizer: Any, play: Any) -> list[Sequence]:
    """Three dialogues without an image."""
    runs = [play(family, 1) for family in ("count", "nearer", "reading")]
    return [encode(run, tokenizer) for run in runs]


@pytest.fixture(scope="module")
def about_one(tokenizer: Any, play: Any) -> list[Sequence]:
    """Three dialogues about one image, one of which looks again."""
    made: list[Sequence] = []
    for seed in range(60):
        run = play("colour" if not made else "count", seed, views=True)
        if run.asked.size == (512, 512):
            sequence = encode(run, tokenizer, view_grid)
            if made or len(sequence.views) == 2:
                made.append(sequence)
    return made[:3]


def packed(rows: list[Row], length: int, tokenizer: Any) -> Packed:
    pad, image = (number(tokenizer, t) for t in ("<|endoftext|>", "<|image_pad|>"))
    return stack(rows, length, pad, image)


def states(network: Any, made: Packed, seed: int = 0) -> torch.Tensor:
    """Hidden states, with noise by token and place for visual tokens."""
    inner, text = network.model.language_model, network.config.text_config
    embeds = inner.embed_tokens(made.ids)
    place = made.positions.permute(1, 2, 0)[..., :1] + 7 * made.positions.permute(1, 2, 0)[..., 1:2]
    wave = torch.sin(place + seed + torch.arange(embeds.shape[-1]) * 1.7)
    embeds = torch.where(made.visual[..., None], wave, embeds)
    rope = text.rope_parameters
    cos, sin = rotations(
        made.positions, text.hidden_size // text.num_attention_heads,
        rope["rope_theta"], rope["mrope_section"],
    )  # fmt: skip
    with torch.no_grad():
        return hidden_states(inner, embeds, cos, sin, made.bias).float()


def single(sequence: Sequence) -> Row:
    row = Row()
    row.add(sequence)
    return row


def together(sequences: list[Sequence]) -> Row:
    """Dialogues about one image in one row."""
    row = Row()
    row.share(sequences[0])
    for sequence in sequences:
        row.add(sequence, sequence.shared)
    return row


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    assert expected.std() > 0.3, "too flat to tell anything"
    return bool((found - expected).abs().max() < 0.15 and (found - expected).abs().mean() < 0.012)


def test_a_packed_dialogue_is_computed_as_if_alone(
    network: Any, three: list[Sequence], tokenizer: Any
) -> None:
    (row,) = fill(three, 640, 1)
    found = states(network, packed([row], 640, tokenizer))[0]
    start = 0
    for sequence in three:
        length = len(sequence.ids)
        alone = states(network, packed([single(sequence)], length, tokenizer))[0]
        assert close(found[start : start + length], alone)
        start += length


def test_a_dialogue_beside_a_shared_image_is_computed_as_if_alone(
    network: Any, about_one: list[Sequence], tokenizer: Any
) -> None:
    made = packed([together(about_one)], 640, tokenizer)
    found = states(network, made)[0]
    start = about_one[0].shared
    for sequence in about_one:
        own = len(sequence.ids) - sequence.shared
        alone = states(network, packed([single(sequence)], len(sequence.ids), tokenizer))[0]
        assert close(found[: sequence.shared], alone[: sequence.shared])
        assert close(found[start : start + own], alone[sequence.shared :])
        assert np.array_equal(
            made.positions[:, 0, start : start + own], sequence.positions[:, sequence.shared :]
        )
        start += own


def other_words(sequence: Sequence) -> Sequence:
    """The same dialogue with other words after the image."""
    ids = sequence.ids.copy()
    ids[sequence.shared :] = (ids[sequence.shared :] + 17) % 256
    return replace(sequence, ids=ids)


@pytest.mark.parametrize("changed", range(3))
def test_nothing_leaks_from_one_dialogue_into_another(
    network: Any, three: list[Sequence], about_one: list[Sequence], tokenizer: Any, changed: int
) -> None:
    for sequences, join in ((three, lambda s: fill(s, 640, 1)[0]), (about_one, together)):
        others = [other_words(s) if n == changed else s for n, s in enumerate(sequences)]
        before, after = (
            states(network, packed([join(s)], 640, tokenizer))[0] for s in (sequences, others)
        )
        start = sequences[0].shared if join is together else 0
        assert torch.equal(before[:start], after[:start])
        for number_, sequence in enumerate(sequences):
            stop = start + len(sequence.ids) - (sequence.shared if join is together else 0)
            same = torch.equal(before[start:stop], after[start:stop])
            assert same == (number_ != changed)
            start = stop


def test_every_dialogue_sees_the_shared_image(
    network: Any, about_one: list[Sequence], tokenizer: Any
) -> None:
    made = packed([together(about_one)], 640, tokenizer)
    changed = (states(network, made, 0) - states(network, made, 1))[0].abs().sum(-1) > 0
    first = int(made.visual[0].float().argmax())
    used = sum(len(s.ids) - s.shared for s in about_one) + about_one[0].shared
    assert not changed[:first].any()
    assert changed[first:used].all()


def test_what_the_model_emits_is_supervised_wherever_it_stands(
    three: list[Sequence], tokenizer: Any
) -> None:
    made = packed(fill(three, 400, 3), 400, tokenizer)
    said = made.ids[made.emitted].tolist()
    assert sorted(said) == sorted(i for s in three for i in s.ids[s.emitted].tolist())
    ends = [s.ids[s.emitted][-1] for s in three]
    assert set(ends) == {number(tokenizer, "<|im_end|>")}


def test_rows_are_filled_in_order_and_what_fits_nowhere_is_left_out(three: list[Sequence]) -> None:
    lengths = [len(s.ids) for s in three]
    assert [len(r) for r in fill(three, max(lengths), 2)] != [sum(lengths)]
    assert [len(r) for r in fill(three, sum(lengths), 2)] == [sum(lengths)]
    assert fill(three, min(lengths) - 1, 2) == []
    assert [r.dialogues for r in fill(three, sum(lengths), 1)] == [3]


def test_a_row_that_is_not_full_ends_in_padding(three: list[Sequence], tokenizer: Any) -> None:
    made = packed([single(three[0])], 500, tokenizer)
    used = len(three[0].ids)
    assert (made.ids[0, used:] == number(tokenizer, "<|endoftext|>")).all()
    assert not made.emitted[0, used:].any()
    assert not made.visual.any()
    assert (made.bias[0, 0, :used, used:] < -1e8).all()
