"""Every text survives the tokenizer, and what acts is one token."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.training.tokenizer import ATTRIBUTES, CHAT_TOKENS, build, number

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(text=ANY)
def test_any_text_can_be_copied(tokenizer: Any, text: str) -> None:
    text = text.replace("<|", "< |")
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@given(digits=st.text("0123456789", min_size=1, max_size=12))
def test_digits_never_merge(tokenizer: Any, digits: str) -> None:
    assert len(tokenizer.encode(f"a{digits}", add_special_tokens=False).ids) == 1 + len(digits)


@pytest.mark.parametrize("token", [*CHAT_TOKENS, *PERCEPTION_TOKENS])
def test_what_acts_or_frames_is_one_token(tokenizer: Any, token: str) -> None:
    around = tokenizer.encode(f"red{token}cube", add_special_tokens=False)
    assert around.tokens.count(token) == 1
    assert number(tokenizer, token) in around.ids


def test_actions_are_kept_and_frames_are_dropped_when_decoded(tokenizer: Any) -> None:
    ids = tokenizer.encode("<|im_start|>so<|read_start|><|read_end|><|im_end|>").ids
    assert tokenizer.decode(ids) == "so<|read_start|><|read_end|>"


def test_words_of_the_tabletop_are_short(tokenizer: Any) -> None:
    """Merges are spent on what is said often: the mask allows a phrase of 24 tokens."""
    ids = tokenizer.encode("yellow cylinder . orange pyramid", add_special_tokens=False).ids
    assert len(ids) <= 16


@pytest.mark.parametrize("word", ATTRIBUTES)
def test_every_attribute_is_one_token_alone_and_in_a_text(tokenizer: Any, word: str) -> None:
    for text in (word, f" {word}"):
        assert len(tokenizer.encode(text, add_special_tokens=False).ids) == 1


def test_no_token_holds_part_of_a_special_one(tokenizer: Any) -> None:
    words = set(tokenizer.get_vocab()) - {*CHAT_TOKENS, *PERCEPTION_TOKENS}
    assert not [word for word in words if "<|" in word or "|>" in word]


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    one, two, other = (
        (build(tmp_path / name, seed, dialogues=60), (tmp_path / name / "tokenizer.json"))[1]
        for name, seed in (("one", 5), ("two", 5), ("other", 6))
    )
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()


def test_a_token_that_is_missing_is_named(tokenizer: Any) -> None:
    with pytest.raises(KeyError, match="fly"):
        number(tokenizer, "<|fly_start|>")
