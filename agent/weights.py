"""Weight files: half precision on disk, full precision in memory, checked against SHA256SUMS beside them."""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from foveal.agent.errors import SetupError

SUMS = "SHA256SUMS"
LARGE = 2**26
"""Bytes from which on a file's digest is remembered."""
CURE = "reinstall foveal or point the profile at intact weights"


def load_state(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name, floats as float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    verify(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SetupError(f"weights {path.name} cannot be read: {error}", CURE) from error
    return {name: t.float() if t.is_floating_point() else t for name, t in state.items()}


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write tensors as safetensors, floats as float16 unless a value is too large for it."""
    from safetensors.torch import save_file

    smaller = {name: _halved(t.detach()).cpu().contiguous().clone() for name, t in state.items()}
    save_file(smaller, path)


def _halved(tensor: Any) -> Any:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool((half.isfinite() == tensor.isfinite()).all()) else tensor.float()


def load_into(model: Any, path: Path, part: str = "") -> Any:
    """The model with the file's tensors: every name and shape must match.

    `part` is the prefix of the names to take, without which they are the model's.
    """
    state = load_state(path)
    own = {name.removeprefix(part): t for name, t in state.items() if name.startswith(part)}
    try:
        model.load_state_dict(own, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise SetupError(f"weights {path.name} do not fit the model: {reason}", CURE) from error
    return model


def load_config(path: Path) -> dict[str, Any]:
    """A JSON or YAML mapping, checked like the weights."""
    verify(path)
    try:
        text = path.read_text(encoding="utf-8")
        config = _yaml(text) if path.suffix == ".yaml" else json.loads(text)
    except (ValueError, OSError) as error:
        raise SetupError(f"{path.name} cannot be read: {error}", CURE) from error
    if not isinstance(config, dict):
        raise SetupError(f"{path.name} holds no mapping", CURE)
    return config


def verify(path: Path) -> None:
    """Raise SetupError when the file is missing, or not what SHA256SUMS beside it says.

    A folder without a list is taken as it is; a list must name every file that is used.
    """
    if not path.is_file():
        raise SetupError(f"weights {path} are missing", CURE)
    if not (path.parent / SUMS).is_file():
        return
    listed = checksums(path.parent)
    if path.name not in listed:
        folder, name = shlex.quote(str(path.parent)), shlex.quote(path.name)
        cure = f"if you trust it: cd {folder} && sha256sum {name} >> {SUMS}"
        raise SetupError(f"weights {path} are not listed in {SUMS}", cure)
    if digest(path) != listed[path.name]:
        raise SetupError(f"weights {path} are damaged: the checksum differs from {SUMS}", CURE)


def checksums(folder: Path) -> dict[str, str]:
    """File name to SHA-256, as `sha256sum` lists them in the folder; empty without a list."""
    listed = folder / SUMS
    if not listed.is_file():
        return {}
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = (line.split(maxsplit=1) for line in lines)
    return {row[1].lstrip("*").removeprefix("./"): row[0].lower() for row in rows if len(row) == 2}


def fingerprint(folder: Path) -> str:
    """SHA-256 over all weights in a folder: of their list where there is one, else of the files."""
    listed = checksums(folder) or {
        str(path.relative_to(folder)): _named(path) or digest(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
    rows = "".join(f"{name} {value}\n" for name, value in sorted(listed.items()))
    return hashlib.sha256(rows.encode()).hexdigest()


def _named(path: Path) -> str:
    """The digest that a download cache has already put into the file's name, if it has."""
    name = path.resolve().name
    return name if path.is_symlink() and re.fullmatch("[0-9a-f]{64}", name) else ""


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    A large file is read once in a process, as long as its size and time stay: its parts are loaded one by one.
    """
    stat = path.stat()
    if stat.st_size < LARGE:
        return _computed(path)
    return _remembered(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _remembered(path: Path, size: int, modified: int) -> str:
    return _computed(path)


def _computed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
