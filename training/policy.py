"""Stage one: the policy, copying and comparing, learnt as text without any image."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from foveal.agent.actions import PerceptionKind
from foveal.training.corpus import World, dialogue
from foveal.training.encode import Sequence, encode
from foveal.training.imagine import ask, imagined, outside

TOOLS: tuple[PerceptionKind, ...] = ("look", "detect", "segment", "depth", "read")
"""The perception actions of the embedded model."""


def allowed(rng: np.random.Generator, none: float = 0.0) -> tuple[PerceptionKind, ...]:
    """Mostly all tools, sometimes a part of them, with probability `none` not one."""
    draw = rng.random()
    if draw < none:
        return ()
    if draw < none + 0.08:
        return tuple(kind for kind in TOOLS if rng.random() < 0.6)
    return TOOLS


def sample(rng: np.random.Generator, tokenizer: Tokenizer) -> Sequence:
    """One dialogue without an image."""
    scene = imagined(rng)
    size = scene.instances.shape[1], scene.instances.shape[0]
    if rng.random() < 0.25:
        question, text = outside(rng)
        things = scene.things if rng.random() < 0.5 else ()
        return encode(dialogue(World(things, size, rng, text=text), question, allowed(rng)), tokenizer)
    found = ask(scene, rng)
    if found is None:
        return sample(rng, tokenizer)
    return encode(dialogue(World(scene.things, size, rng), found, allowed(rng)), tokenizer)


def batches(
    tokenizer: Tokenizer, seed: int, tokens: int = 4096, pool: int = 192
) -> Iterator[list[Sequence]]:
    """Endless batches of at most `tokens` padded tokens, each of sequences of similar length."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = sorted((sample(rng, tokenizer) for _ in range(pool)), key=lambda s: len(s.ids))
        cuts = _cut(drawn, tokens)
        for index in rng.permutation(len(cuts)):
            yield cuts[index]


def _cut(drawn: list[Sequence], tokens: int) -> list[list[Sequence]]:
    cuts: list[list[Sequence]] = [[]]
    for sequence in drawn:
        if cuts[-1] and len(sequence.ids) * (len(cuts[-1]) + 1) > tokens:
            cuts.append([])
        cuts[-1].append(sequence)
    return cuts


def padded(batch: list[Sequence], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, attention mask and supervision of a batch, right-padded: three (rows, length) tensors."""
    length = max(len(sequence.ids) for sequence in batch)
    ids = torch.full((len(batch), length), pad)
    mask = torch.zeros((len(batch), length), dtype=torch.long)
    emitted = torch.zeros((len(batch), length), dtype=torch.bool)
    for row, sequence in enumerate(batch):
        count = len(sequence.ids)
        ids[row, :count] = torch.from_numpy(sequence.ids)
        mask[row, :count] = 1
        emitted[row, :count] = torch.from_numpy(sequence.emitted)
    return ids, mask, emitted


def loss_of(
    model: torch.nn.Module, embeds: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor,
    emitted: torch.Tensor, positions: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Mean cross-entropy over the emitted tokens, and which of them the model would have chosen."""
    inner = model.model.language_model  # type: ignore[union-attr]
    hidden = inner(  # type: ignore[operator]
        inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    before, wanted = hidden[:, :-1][emitted[:, 1:]], ids[:, 1:][emitted[:, 1:]]
    logits = model.lm_head(before).float()  # type: ignore[operator]
    return functional.cross_entropy(logits, wanted), logits.argmax(-1) == wanted


def tokenizer_of(folder: Path) -> Tokenizer:
    """The tokenizer that `folder` holds."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
