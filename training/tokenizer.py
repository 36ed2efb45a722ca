"""The embedded model's tokenizer: byte-level BPE with a few hundred merges from the tabletop's own phrases.

Every byte is a token, so any text that was read can be copied; digits never merge, so numbers compare
digit by digit.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from foveal.agent.dialogue import opening, reply
from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.agent.transcript import Acted
from foveal.evals.palette import COLOURS
from foveal.evals.vocabulary import MATERIALS, SHAPES, SYMBOLS, TEXTURES
from foveal.training.corpus import TOOLS, dialogue
from foveal.training.imagine import ask, imagined
from foveal.training.observing import World

CHAT_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_TOKEN = re.compile(r"<\|[a-z0-9_]+\|>")
ATTRIBUTES = (*COLOURS, *SHAPES, *MATERIALS, *TEXTURES, *SYMBOLS)
"""Each a token of its own, as it begins an answer and within a text: a visual token can then point to it."""
OFTEN = 300
"""Times that each is shown beside the dialogues."""
SYSTEM = "tools: {tools}"
"""The embedded model's system prompt."""


def build(folder: Path, seed: int = 0, merges: int = 600, dialogues: int = 3000) -> Tokenizer:
    """Train the tokenizer and write it to `folder`/tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=20,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_words(_texts(seed, dialogues)), trainer)
    tokenizer.add_special_tokens(list(CHAT_TOKENS))
    # Not special: decoded text must keep them, since actions are parsed from it.
    tokenizer.add_tokens(list(PERCEPTION_TOKENS))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def number(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the tokenizer is known to have. Raises KeyError when it has not."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def _texts(seed: int, count: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    for word in ATTRIBUTES:
        yield from (word, f" {word}") * OFTEN
    for _ in range(count):
        scene = imagined(rng)
        question = ask(scene, rng)
        if question is None:
            continue
        size = scene.instances.shape[1], scene.instances.shape[0]
        run = dialogue(World(scene.things, size, rng), question, TOOLS)
        yield from opening(run.asked, SYSTEM)
        if question.family == "read":  # words that are read stay spelled out
            continue
        for item in run.items:
            if isinstance(item, Acted):
                yield item.text
            else:
                yield from (piece for piece in reply([item], run.asked) if isinstance(piece, str))


def _words(texts: Iterator[str]) -> Iterator[str]:
    """The texts between special tokens: merging across or inside those would waste the vocabulary."""
    for text in texts:
        yield from (part for part in _TOKEN.split(text) if part)
