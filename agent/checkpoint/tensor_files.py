"""The weight files of a model folder as one collection of tensors, whatever their number and format.

Files may be hostile: safetensors hold no code, and a pickle is read with everything but tensors refused.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foveal.agent.errors import SetupError
from foveal.agent.weights import load_config, verify

CURE = "download the checkpoint again"
_INDEXED = ".index.json"
_NAMES = ("model.safetensors", "pytorch_model.bin")
_PART = re.compile(r"(model|pytorch_model)-(\d{5})-of-(\d{5})(\.safetensors|\.bin)")


@dataclass(frozen=True)
class WeightFiles:
    """What holds a model's tensors."""

    files: tuple[Path, ...]
    index: Mapping[str, str] = field(default_factory=dict)
    """Tensor to file name, as the folder's index lists them; empty without one."""


def weight_files(folder: Path) -> WeightFiles:
    """The files of a folder, safetensors before pickles. Raises SetupError when there are none, or not all."""
    for name in _NAMES:
        if (folder / name).is_file():
            return WeightFiles((folder / name,))
        if (folder / (name + _INDEXED)).is_file():
            return _indexed(folder / (name + _INDEXED))
        if parts := _parts(folder, Path(name)):
            return WeightFiles(parts)
    problem = f"{folder} holds no weights: neither {' nor '.join(_NAMES)}, nor parts of them"
    raise SetupError(problem, "name the folder of a Qwen2-VL model")


def read(
    folder: Path, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, Any]]:
    """Tensors by the name that they have on disk, mapped into memory where the format allows it.

    Raises SetupError for files that are missing, damaged, not as SHA256SUMS says, or hold anything else.
    """
    found = weight_files(folder)
    promised = {name for name in found.index if wanted(name)}
    for path in found.files:
        here = {name for name in promised if found.index[name] == path.name}
        if found.index and not here:
            continue
        verify(path)
        given = set()
        for name, tensor in _opened(path, wanted):
            given.add(name)
            yield name, tensor
        if lost := sorted(here - given):
            raise SetupError(f"weights {path} lack {lost[0]}, which the index promises", CURE)


def names(folder: Path) -> list[str]:
    """The names of a folder's tensors as they are on disk."""
    found = weight_files(folder)
    return [*found.index] or [name for path in found.files for name in _listed(path)]


def _indexed(path: Path) -> WeightFiles:
    index = load_config(path).get("weight_map")
    if not isinstance(index, dict) or not index or not all(map(_plain, index.values())):
        raise SetupError(f"{path} maps no tensors to files beside it", CURE)
    return WeightFiles(tuple(path.parent / name for name in sorted(set(index.values()))), index)


def _plain(name: object) -> bool:
    """Whether an index names a file of its own folder, and nothing elsewhere."""
    return isinstance(name, str) and (name in _NAMES or _PART.fullmatch(name) is not None)


def _parts(folder: Path, name: Path) -> tuple[Path, ...]:
    """The parts of a file that was saved in several, without an index."""
    found = [(path, _PART.fullmatch(path.name)) for path in sorted(folder.glob(f"{name.stem}-*"))]
    parts = {int(m[2]): (path, int(m[3])) for path, m in found if m and m[4] == name.suffix}
    if not parts:
        return ()
    total = max(count for _, count in parts.values())
    if lost := sorted(set(range(1, total + 1)) - set(parts)):
        missing = f"{name.stem}-{lost[0]:05}-of-{total:05}{name.suffix}"
        raise SetupError(f"weights {folder / missing} are missing", CURE)
    return tuple(path for path, _ in parts.values())


def _listed(path: Path) -> list[str]:
    if path.suffix == ".bin":
        return [*_unpickled(path)]
    with _mapped(path) as file:
        return [*file.keys()]


def _opened(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".bin":
        state = _unpickled(path)
        yield from ((name, tensor) for name, tensor in state.items() if wanted(name))
        return
    with _mapped(path) as file:
        for name in filter(wanted, file.keys()):
            yield name, file.get_tensor(name)


def _mapped(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise SetupError(f"weights {path} cannot be read: {error}", CURE) from error


def _unpickled(path: Path) -> dict[str, Any]:
    import torch

    try:
        # Only the zip format, which torch has written since 1.6, can be mapped.
        mapped = zipfile.is_zipfile(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if "nsupported" in str(error):
            cure = "do not use this file: it could run code when another program loads it"
            raise SetupError(f"weights {path} hold more than tensors", cure) from error
        raise SetupError(f"weights {path} are damaged", CURE) from error
    except Exception as error:  # a damaged pickle may fail anywhere
        raise SetupError(f"weights {path} are damaged: {_first_line(error)}", CURE) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(t, torch.Tensor) and t.layout is torch.strided
        for name, t in state.items()
    ):
        raise SetupError(f"weights {path} are no mapping of names to tensors", CURE)
    return state


def _first_line(error: Exception) -> str:
    return json.dumps(str(error).partition("\n")[0][:100])
