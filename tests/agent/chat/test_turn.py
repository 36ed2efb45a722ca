"""A turn as it is written: what is chosen, how sure, when it ends, and what is heard of it."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from foveal.agent.chat.mask import Boxes, Masks
from foveal.agent.chat.turn import Turn
from foveal.agent.coordinates import Frame

FRAME = Frame("thousand", (10, 10), (10, 10))


@pytest.fixture(scope="module")
def masks(chat: Any) -> Masks:
    made: Masks = chat("qwen2_vl").masks
    return made


def turn(masks: Masks, limit: int = 20, heard: list[str] | None = None) -> Turn:
    hear = None if heard is None else heard.append
    return Turn(masks, masks.turn((), (), 1000), Boxes(FRAME), limit, hear)


def say(made: Turn, tokens: Sequence[int], size: int) -> None:
    """Choose each by logits that leave no doubt."""
    for token in tokens:
        logits = torch.full((size,), -50.0)
        logits[token] = 50.0
        made.next(logits)


def test_the_likeliest_that_may_come_and_how_sure(masks: Masks, chat: Any) -> None:
    a, b = chat("qwen2_vl").ids("a")[0], chat("qwen2_vl").ids("b")[0]
    frame = chat("qwen2_vl").tokenizer.convert_tokens_to_ids("<|im_start|>")
    logits = torch.full((masks.size,), -math.inf)
    logits[a], logits[b], logits[frame] = 2.0, 1.0, 9.0
    made = turn(masks)
    assert made.next(logits) == a
    assert made.confidence == pytest.approx(math.e / (1 + math.e))
    logits[b] = -math.inf
    made.next(logits)
    assert made.confidence == pytest.approx(math.e / (1 + math.e)), "the least certain counts"
    assert made.text == "aa"


def test_padding_of_the_vocabulary_is_never_chosen(masks: Masks) -> None:
    logits = torch.zeros(masks.size + 9)
    logits[masks.size :] = 9.0
    chosen = turn(masks).next(logits)
    assert chosen is not None
    assert chosen < masks.size


def test_any_of_the_ends_ends_it(chat: Any) -> None:
    tokenizer = chat("qwen2_vl").tokenizer
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    masks = Masks(tokenizer, ends)
    for end in ends:
        made = turn(masks)
        say(made, [*chat("qwen2_vl").ids("yes"), end], masks.size)
        assert made.text == "yes"
        assert end not in made.tokens
        assert made.end in ends


def test_it_ends_at_its_limit_or_when_it_is_stopped(masks: Masks) -> None:
    made = turn(masks, limit=2)
    logits = torch.zeros(masks.size)
    assert [made.next(logits) is None for _ in range(4)] == [False, False, True, True]
    stopped = turn(masks)
    stopped.next(logits)
    stopped.stopped.set()
    assert stopped.next(logits) is None
    assert len(stopped.tokens) == 1


def test_whole_characters_are_heard_as_they_come(masks: Masks, chat: Any) -> None:
    heard: list[str] = []
    made = turn(masks, heard=heard)
    tokens = [token for letter in "né日!" for token in chat("qwen2_vl").ids(letter)]
    assert len(tokens) > 4, "some are half a character"
    say(made, tokens, masks.size)
    assert heard == ["n", "é", "日", "!"]
    assert made.text == "né日!"


def test_half_a_character_at_the_end_is_marked(masks: Masks, chat: Any) -> None:
    heard: list[str] = []
    made = turn(masks, heard=heard)
    say(made, [*chat("qwen2_vl").ids("n"), chat("qwen2_vl").ids("é")[0]], masks.size)
    assert made.text == "n\ufffd"
    assert heard == ["n"]
