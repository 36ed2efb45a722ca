"""What a repository held when it was first used: its commit and the digest of every file, kept from then on.

Trust on first use: whoever can change a repository later cannot change what a pinned machine runs.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

COMMIT = re.compile(r"[0-9a-f]{40}")

_SETTINGS = frozenset(
    {
        "added_tokens.json", "chat_template.jinja", "chat_template.json", "config.json", "generation_config.json",
        "merges.txt", "preprocessor_config.json", "processor_config.json", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json", "video_preprocessor_config.json", "vocab.json",
    }
)  # fmt: skip
_SHARD = r"(-\d{5}-of-\d{5})?"
_SAFETENSORS = re.compile(rf"model{_SHARD}\.safetensors|model\.safetensors\.index\.json")
_PICKLED = re.compile(rf"pytorch_model{_SHARD}\.bin|pytorch_model\.bin\.index\.json")

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class Stored(BaseModel):
    """One file, as the Hub states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    digest: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
    """SHA-256 where the file is kept in Git LFS (64 digits), else git's SHA-1 of it (40)."""

    def fits(self, path: Path) -> bool:
        """Whether the file at a path has this size; what it holds is not looked at."""
        return path.is_file() and path.stat().st_size == self.size

    def is_in(self, path: Path) -> bool:
        """Whether the file at a path holds exactly this."""
        return self.fits(path) and _digest(path, len(self.digest) == 40) == self.digest


class Pin(BaseModel):
    """A commit of a repository, and the files that are used of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    files: dict[FileName, Stored]
    verified: frozenset[FileName] = frozenset()
    """The files whose bytes were seen to have the stated digest."""

    def names(self, weights: bool = True) -> list[str]:
        """The files, small ones first, with or without the weights."""
        return [name for name in sorted(self.files, key=self._order) if weights or not heavy(name)]

    def _order(self, name: str) -> tuple[int, str]:
        return self.files[name].size, name


def wanted(names: Iterable[str]) -> list[str]:
    """Of a repository's files those that a model is loaded from: no code, no optimiser states, no second copy."""
    listed = list(names)
    safe = [name for name in listed if _SAFETENSORS.fullmatch(name)]
    weights = safe or [name for name in listed if _PICKLED.fullmatch(name)]
    return [name for name in listed if name in _SETTINGS] + weights


def heavy(name: str) -> bool:
    """Whether a file holds tensors."""
    return name.endswith((".safetensors", ".bin"))


def _digest(path: Path, as_git: bool) -> str:
    """SHA-256 of a file, or the id that git gives it, in hexadecimal."""
    with path.open("rb") as file:
        if not as_git:
            return hashlib.file_digest(file, "sha256").hexdigest()
        start = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        return hashlib.file_digest(file, lambda: start).hexdigest()
