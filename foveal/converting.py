"""`agent weights convert`: a checkpoint in any layout that can be read, written in the one that is read best."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveal.agent.checkpoint.building import ENCODER_NAMES, RELEASED, Built, build, tensors
from foveal.agent.checkpoint.encoders import CONFIGS, encoder_config, load_encoder
from foveal.agent.checkpoint.tensor_names import ENCODER_PARTS, HEAD
from foveal.agent.checkpoint.tokenizer import matched_ids
from foveal.agent.errors import InputError, SetupError
from foveal.agent.loudness import quiet
from foveal.agent.weights import SUMS, digest, verify
from foveal.tools.extras import needs

LARGEST = 5 * 10**9
"""Bytes that one file may have, as on the Hugging Face Hub."""

SHIPPED = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "preprocessor_config.json", "generation_config.json", "chat_template.json",
    "chat_template.jinja", "README.md", "LICENSE",
)  # fmt: skip
"""What is taken along as it is."""


def convert(source: Path, destination: Path, largest: int = LARGEST) -> int:
    """Write the model folder `source` as `destination`, in files of at most `largest` bytes.

    Raises InputError for folders that cannot be used, and SetupError when the source is not intact;
    `destination` appears only when it is complete.
    """
    if not source.is_dir():
        raise InputError(f"{source} is no folder")
    with needs("models"):
        import torch  # noqa: F401
        import transformers  # noqa: F401
    _say(f"checking {source}")
    built = build(source, "meta")
    state = tensors(source)
    _check_encoders(source, state)
    if built.network.config.tie_word_embeddings:
        state.pop(HEAD, None)
    with _appearing(destination, sum(tensor.nbytes for tensor in state.values())) as folder:
        _write_settings(source, folder, built, state)
        _write_tensors(state, folder, largest)
        _write_sums(folder)
    _say(
        f"done; try: agent run --model {shlex.quote(str(destination))} --image IMAGE --question TEXT"
    )
    return 0


def _say(text: str) -> None:
    if quiet():
        return
    sys.stderr.write(f"foveal: {text}\n")
    sys.stderr.flush()


def _check_encoders(source: Path, state: Mapping[str, Any]) -> None:
    """That each encoder in the weights can be loaded as the settings say."""
    for encoder, part in ENCODER_PARTS.items():
        if any(name.startswith(part) for name in state):
            load_encoder(source, encoder, "meta")


@contextmanager
def _appearing(destination: Path, size: int) -> Iterator[Path]:
    """A folder beside the destination that takes its place in the end, and vanishes if it comes to no end."""
    if destination.is_symlink() or destination.is_file() or _filled(destination):
        raise InputError(f"{destination} is there already and not empty; name a new folder")
    made = destination.absolute().with_name(f".{destination.absolute().name}.{os.getpid()}")
    try:
        made.mkdir(parents=True)
        _check_room(made, size)
        yield made
        if destination.is_dir():
            destination.rmdir()
        made.rename(destination)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{error.filename or destination} cannot be used: {reason}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        problem = (
            f"{size / 1e9:.1f} GB are needed in {folder.parent}, and {free / 1e9:.1f} are free"
        )
        raise SetupError(problem, "name a folder on another disk")


def _write_settings(source: Path, folder: Path, built: Built, state: Mapping[str, Any]) -> None:
    """Settings and tokenizer, corrected and complete."""
    for name in SHIPPED:
        if (source / name).is_file():
            if Path(name).suffix in {".json", ".txt"}:  # what only people read is not listed
                verify(source / name)
            shutil.copyfile(source / name, folder / name)
    if not (folder / "tokenizer.json").is_file():
        built.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "config.json", _config(built, state))


def _config(built: Built, state: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they are believed, with nothing left to be guessed."""
    plan = built.layout
    config = plan.config | {
        CONFIGS[encoder]: encoder_config(plan.config, encoder)
        for encoder in CONFIGS
        if any(name.startswith(ENCODER_PARTS[encoder]) for name in state)
    }
    if plan.variant is None:
        return config
    ids = matched_ids(plan.config, built.tokenizer, plan.variant)
    name = ENCODER_NAMES[plan.variant]
    return config | ids | {"model_type": RELEASED[0], "vision_encoder_ls": [name]}


def _write_tensors(state: Mapping[str, Any], folder: Path, largest: int) -> None:
    """The tensors, one file in memory at a time, with an index if there are several."""
    from huggingface_hub import split_state_dict_into_shards_factory
    from safetensors.torch import save_file

    split = split_state_dict_into_shards_factory(
        dict(state),
        get_storage_size=lambda tensor: tensor.nbytes,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=largest,
    )
    for name, members in split.filename_to_tensors.items():
        part = {member: _own(state[member]) for member in members}
        _say(f"writing {name}, {sum(t.nbytes for t in part.values()) / 1e9:.2f} GB")
        save_file(part, folder / name, metadata={"format": "pt"})
        (folder / name).chmod((folder / "config.json").stat().st_mode)  # not for its owner alone
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        _write_json(folder / "model.safetensors.index.json", index)


def _own(tensor: Any) -> Any:
    """A tensor that shares memory with no other: only such can be saved."""
    alone = tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.is_contiguous()
    return tensor if alone else tensor.contiguous().clone()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_sums(folder: Path) -> None:
    _say("computing checksums")
    rows = [f"{digest(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(rows), encoding="utf-8")
