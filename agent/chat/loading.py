"""A vision chat model from a folder, by the auto classes of transformers: intact, without code of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.agent.checkpoint.assembly import usable
from foveal.agent.errors import SetupError

_CHAT = "use a vision chat model that transformers knows, in safetensors, with its processor files"


@dataclass(frozen=True)
class Loaded:
    """What a folder held."""

    network: Any
    """In evaluation mode, on its device."""
    processor: Any
    ends: tuple[int, ...]
    """Tokens that end a turn."""
    special: tuple[str, ...]
    """Spellings that are no text: what frames turns and stands for pictures."""


def load(folder: Path, device: str = "cpu") -> Loaded:
    """float32 on a CPU, the precision of the checkpoint elsewhere. Raises SetupError when it is not intact."""
    usable(device)
    with _told(folder):
        processor = _processor(folder)
        network = _network(folder, device)
    ends = _ends(network, processor.tokenizer)
    if not ends:
        raise SetupError(f"{folder} does not say which token ends a turn", _CHAT)
    _set(network, processor.tokenizer, ends)
    return Loaded(network, processor, ends, _special(processor))


def _processor(folder: Path) -> Any:
    from transformers import AutoProcessor

    made = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer = getattr(made, "tokenizer", None)
    if tokenizer is None or getattr(made, "image_processor", None) is None:
        raise SetupError(f"{folder} has no processor for words and pictures", _CHAT)
    if not getattr(tokenizer, "is_fast", False):
        raise SetupError(f"{folder} has no fast tokenizer", "use one with a tokenizer.json")
    if not (getattr(made, "chat_template", None) or tokenizer.chat_template):
        cure = "use an instruction-tuned checkpoint, which brings its template"
        raise SetupError(f"{folder} has no chat template", cure)
    if not _shows(made):
        raise SetupError(f"the chat template of {folder} has no place for pictures", _CHAT)
    return made


def _shows(processor: Any) -> bool:
    """Whether a picture in a question leaves a mark in the prompt."""
    told = [{"type": "text", "text": "?"}]
    shown = [{"type": "image"}, *told]
    prompts = {
        processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        for content in (told, shown)
    }
    return len(prompts) == 2


def _network(folder: Path, device: str) -> Any:
    import torch
    from transformers import AutoModelForImageTextToText

    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        dtype=torch.float32 if torch.device(device).type == "cpu" else "auto",
    )
    network, told = loaded
    for words in ("missing_keys", "mismatched_keys"):
        if bad := sorted(map(str, told.get(words) or ())):
            what = f"{len(bad)} {words.replace('_', ' ')}, first {bad[0]}"
            raise SetupError(f"weights of {folder} do not fit the model: {what}", _CHAT)
    return network.to(device).eval()


def _ends(network: Any, tokenizer: Any) -> tuple[int, ...]:
    stated = getattr(network.generation_config, "eos_token_id", None)
    listed = stated if isinstance(stated, list) else [stated]
    known = range(len(tokenizer))
    return tuple({end for end in (*listed, tokenizer.eos_token_id) if end in known})


def _set(network: Any, tokenizer: Any, ends: tuple[int, ...]) -> None:
    """No sampling, no penalties: what the checkpoint suggests for chatting is not for looking."""
    from transformers import GenerationConfig

    pad = tokenizer.pad_token_id
    network.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=sorted(ends), pad_token_id=min(ends) if pad is None else pad
    )


def _special(processor: Any) -> tuple[str, ...]:
    added = processor.tokenizer.added_tokens_decoder.values()
    named = (getattr(processor, name, None) for name in ("image_token", "video_token"))
    spelled = {token.content for token in added if token.special}
    spelled |= {str(token) for token in named if token}
    return tuple(sorted(spelled, key=len, reverse=True))


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What transformers raises, in our words; without its progress bars."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except SetupError:
        raise
    except ImportError as error:
        reason = _first(error)
        raise SetupError(f"{folder} needs more: {reason}", "pip install 'foveal[chat]'") from error
    except Exception as error:  # each file fails in its own way
        problem = f"{folder} cannot be loaded as a vision chat model: {_first(error)}"
        raise SetupError(problem, _CHAT) from error
    finally:
        if bars:
            logging.enable_progress_bar()


def _first(error: Exception) -> str:
    """The first line of a message that may go on for pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
