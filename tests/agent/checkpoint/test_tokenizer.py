"""Tokenizers: the same ids from whichever files are shipped, and none that belong to another checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.checkpoint.tokenizer import load_tokenizer, matched_ids
from foveal.agent.errors import SetupError

DATA = Path(__file__).parents[2] / "data" / "vpt"
Copy = Callable[[str], Path]
TEXT = (
    "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What's that?  Größe: 12 \u00e9\u0301 ☃\n\n"
    "<|region_token_start|><|x_0|><|y_7|><|x_3|><|y_4|><|region_token_end|><|clip_action_start|><|im_end|>"
)


def without(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).unlink()
    return folder


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(
        json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8"
    )


@pytest.mark.parametrize("more", [(), ("tokenizer_config.json",)])
def test_a_tokenizer_is_built_where_none_is_shipped(
    checkpoint_copy: Copy, more: tuple[str, ...]
) -> None:
    shipped = load_tokenizer(DATA / "clip")
    built = load_tokenizer(without(checkpoint_copy("clip"), "tokenizer.json", *more))
    assert built.get_vocab() == shipped.get_vocab()
    ids = built.encode(TEXT, add_special_tokens=False)
    assert ids == shipped.encode(TEXT, add_special_tokens=False)
    for skip in (False, True):
        words = built.decode(ids, skip_special_tokens=skip)
        assert words == shipped.decode(ids, skip_special_tokens=skip)
    assert "<|x_0|>" in words, "perception tokens are not special: they must survive"
    assert "<|im_start|>" not in words


def test_words_are_cut_as_qwen_cuts_them(tmp_path: Path) -> None:
    """A merge across a border of words would never be applied."""
    letters = [
        "a",
        "b",
        "1",
        "2",
        "Ġ",
        "Ċ",
        "'",
        "s",
        ".",
        "ab",
        "Ġa",
        "12",
        "'s",
        ".Ċ",
        "ĊĊ",
        "bĠ",
    ]
    merges = ["a b", "Ġ a", "1 2", "' s", ". Ċ", "Ċ Ċ", "b Ġ"]
    (tmp_path / "vocab.json").write_text(json.dumps({x: n for n, x in enumerate(letters)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    tokenizer = load_tokenizer(tmp_path)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode("ab a12's.\n\nb b"))
    assert pieces == ["ab", "Ġa", "1", "2", "'s", ".Ċ", "Ċ", "b", "Ġ", "b"]


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_folder_without_a_tokenizer(checkpoint_copy: Copy, name: str) -> None:
    folder = without(checkpoint_copy("clip"), "tokenizer.json", name)
    with pytest.raises(SetupError, match=r"holds no tokenizer: neither tokenizer\.json, nor vocab"):
        load_tokenizer(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"a": "b"}', '{"model": 3}'])
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "added_tokens.json"])
def test_a_damaged_tokenizer(checkpoint_copy: Copy, name: str, content: str) -> None:
    folder = checkpoint_copy("clip")
    if name != "tokenizer.json":
        without(folder, "tokenizer.json")
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(SetupError):
        matched_ids({}, load_tokenizer(folder), "clip")


def test_added_tokens_of_another_vocabulary(checkpoint_copy: Copy) -> None:
    folder = without(checkpoint_copy("clip"), "tokenizer.json")
    rewritten(folder / "added_tokens.json", lambda ids: {t: n + 1 for t, n in ids.items()})
    with pytest.raises(SetupError, match=r"gives 257 to <\|endoftext\|>, which comes out as 256"):
        load_tokenizer(folder)


def test_ids_are_the_tokenizers() -> None:
    tokenizer = load_tokenizer(DATA / "detection")
    config = {"detection_action_id": 290, "seg_action_id": None, "image_token_id": 268}
    ids = matched_ids(config, tokenizer, "detection")
    assert (ids["detection_action_start_id"], ids["detection_image_token_id"]) == (289, 270)
    assert "seg_action_id" not in ids
    with pytest.raises(
        SetupError, match="gives 291 as detection_action_id, the tokenizer says 290"
    ):
        matched_ids(config | {"detection_action_id": 291}, tokenizer, "detection")


def test_the_tokens_of_a_variant_must_be_there() -> None:
    tokenizer = load_tokenizer(DATA / "detection")
    with pytest.raises(SetupError, match=r"lacks 4 perception tokens, first <\|clip_image_pad\|>"):
        matched_ids({}, tokenizer, "clip")
    with pytest.raises(
        SetupError, match="an alignment checkpoint, which has not learned any action"
    ):
        matched_ids({"alignment": True}, tokenizer, "clip")
    assert matched_ids({}, tokenizer, None)["image_token_id"] == 268
