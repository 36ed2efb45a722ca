"""The tokenizer of a model folder, made from whichever files it ships, and its ids held against config.json.

Ids collide between checkpoints: the same number is another token in each. So a token is found by its string,
and a config.json that says otherwise belongs to another checkpoint.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from foveal.agent.actions import Encoder
from foveal.agent.errors import SetupError
from foveal.agent.grammar import REGION_END, REGION_START, X_TOKENS, Y_TOKENS
from foveal.agent.weights import load_config, verify

CURE = "use a tokenizer and a config.json that belong together"
_WORDS = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""How Qwen2 cuts text before it is spelled in pieces, as its tokenizer.json has it."""

_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "vision_token_id": "<|vision_pad|>",
    "para_start_id": "<|im_start|>",
    "para_end_id": "<|im_end|>",
}


def load_tokenizer(folder: Path) -> Any:
    """A fast tokenizer, from tokenizer.json, else from vocab.json and merges.txt. Asks no hub.

    Raises SetupError when the files are missing or damaged.
    """
    from transformers import PreTrainedTokenizerFast

    if (folder / "tokenizer.json").is_file():
        load_config(folder / "tokenizer.json")  # a file cut short is found here
        made = _read(folder, "tokenizer.json")
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        made = _assembled(folder)
    else:
        problem = (
            f"{folder} holds no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt"
        )
        raise SetupError(problem, "copy the tokenizer files of the model's release into it")
    return PreTrainedTokenizerFast(tokenizer_object=made)


def matched_ids(
    config: Mapping[str, Any], tokenizer: Any, variant: Encoder | None
) -> dict[str, int]:
    """The ids that config.json may give, by the tokenizer's strings.

    `variant` is the re-encoder whose tokens must be there. Raises SetupError when a token is missing, or
    config.json gives another id for it; null and nothing agree with everything.
    """
    vocabulary = tokenizer.get_vocab()
    _complete(config, vocabulary, variant)
    spelled = dict(_spellings())
    for key, token in spelled.items():
        told, real = config.get(key), vocabulary.get(token)
        if told is not None and told != real:
            said = "does not know it" if real is None else f"says {real}"
            raise SetupError(f"config.json gives {told} as {key}, the tokenizer {said}", CURE)
    return {key: vocabulary[token] for key, token in spelled.items() if token in vocabulary}


def _spellings() -> Iterator[tuple[str, str]]:
    yield from _IDS.items()
    for encoder in get_args(Encoder):
        yield f"{encoder}_image_token_id", f"<|{encoder}_image_pad|>"
        yield f"{encoder}_action_id", f"<|{encoder}_action|>"
        yield f"{encoder}_action_start_id", f"<|{encoder}_action_start|>"


def _complete(
    config: Mapping[str, Any], vocabulary: Mapping[str, int], variant: Encoder | None
) -> None:
    if variant is None:
        return
    actions = [f"<|{variant}_action{part}|>" for part in ("_start", "", "_end")]
    needed = [f"<|{variant}_image_pad|>", REGION_START, REGION_END, *X_TOKENS, *Y_TOKENS, *actions]
    lost = [token for token in needed if token not in vocabulary]
    if lost and config.get("alignment"):
        problem = "this is an alignment checkpoint, which has not learned any action"
        raise SetupError(problem, "use the model that was tuned from it")
    if lost:
        problem = f"the tokenizer lacks {len(lost)} perception tokens, first {lost[0]}"
        raise SetupError(problem, CURE)


def _read(folder: Path, name: str) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / name))
    except Exception as error:  # the library raises nothing narrower
        problem = f"{folder / name} cannot be read: {error}"
        raise SetupError(problem, "download the checkpoint again") from error


def _assembled(folder: Path) -> Any:
    """Qwen2's byte-level BPE of vocab.json and merges.txt, with the tokens added later."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    for name in ("vocab.json", "merges.txt"):
        verify(folder / name)
    try:
        pieces = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    except Exception as error:  # the library raises nothing narrower
        problem = f"vocab.json or merges.txt of {folder} cannot be read: {error}"
        raise SetupError(problem, "download the checkpoint again") from error
    tokenizer = Tokenizer(pieces)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _add(tokenizer, folder)
    return tokenizer


def _add(tokenizer: Any, folder: Path) -> None:
    """The tokens of added_tokens.json, in the order of their ids."""
    from tokenizers import AddedToken

    path = folder / "added_tokens.json"
    listed = load_config(path) if path.is_file() else {}
    if not all(isinstance(number, int) for number in listed.values()):
        raise SetupError(f"{path} maps no tokens to ids", "download the checkpoint again")
    special = _special(folder)
    for token, number in sorted(listed.items(), key=lambda row: row[1]):
        tokenizer.add_tokens([AddedToken(token, special=token in special, normalized=False)])
        if (found := tokenizer.token_to_id(token)) != number:
            problem = f"added_tokens.json gives {number} to {token}, which comes out as {found}"
            raise SetupError(problem, "use an added_tokens.json that belongs to the vocab.json")


def _special(folder: Path) -> set[str]:
    """The tokens that are no text, from special_tokens_map.json."""
    path = folder / "special_tokens_map.json"
    listed = load_config(path) if path.is_file() else {}
    rows = [
        row for value in listed.values() for row in (value if isinstance(value, list) else [value])
    ]
    return {str(row.get("content") if isinstance(row, dict) else row) for row in rows}
