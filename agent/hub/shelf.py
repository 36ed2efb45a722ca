"""Where a repository's files lie on this machine: the Hugging Face cache, in its documented layout, and our pin.

Layout: huggingface.co/docs/hub/local-cache. Blobs are named by their digest; `snapshots/COMMIT` links to them.
Other tools find what we downloaded there, and we what they did.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from foveal.agent.errors import SetupError
from foveal.agent.hub.pins import COMMIT, Pin, Stored, wanted
from foveal.agent.hub.releases import Release
from foveal.agent.settings import settings


@dataclass(frozen=True)
class Shelf:
    """The place of one release."""

    release: Release
    cache: Path
    """The folder of all repositories."""
    pins: Path
    """The folder of all pins."""

    @classmethod
    def of(cls, release: Release) -> "Shelf":
        """Where the settings say, else where Hugging Face's own variables (HF_HOME, HF_HUB_CACHE) do."""
        from huggingface_hub import constants

        own = settings().cache
        home = own.expanduser().absolute() if own else Path(constants.HF_HOME)
        return cls(release, home / "hub" if own else Path(constants.HF_HUB_CACHE), home / "foveal")

    @property
    def name(self) -> str:
        """The repository as one file name."""
        return self.release.repository.replace("/", "--")

    @property
    def folder(self) -> Path:
        """The folder of the repository."""
        return self.cache / f"models--{self.name}"

    @property
    def pin_file(self) -> Path:
        """Delete it to follow the repository to where its branch is now."""
        return self.pins / f"{self.name}@{quote(self.release.revision, safe='')}.json"

    def snapshot(self, commit: str) -> Path:
        """The folder of one commit's files."""
        return self.folder / "snapshots" / commit

    def blob(self, stored: Stored) -> Path:
        """Where a file's bytes belong."""
        return self.folder / "blobs" / stored.digest

    def partial(self, stored: Stored) -> Path:
        """Where its bytes are collected: a name of our own, since others leave gaps in theirs."""
        return self.folder / "blobs" / f"{stored.digest}.foveal.incomplete"

    def pin(self) -> Pin | None:
        """What this machine has settled on, if it has. Raises SetupError when that cannot be read."""
        try:
            return Pin.model_validate_json(self.pin_file.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            raise SetupError(f"{self.pin_file} cannot be read", "delete it") from error

    def keep(self, pin: Pin) -> None:
        """Settle on a pin."""
        _write(self.pin_file, pin.model_dump_json(indent=1))

    def complete(self, pin: Pin, weights: bool = True) -> bool:
        """Whether all files of a pin are here, were verified, and still have their size."""
        folder = self.snapshot(pin.commit)
        return all(
            name in pin.verified and pin.files[name].fits(folder / name)
            for name in pin.names(weights)
        )

    def found(self) -> Pin | None:
        """A pin of what other tools have put here; nothing of it is verified yet."""
        revision = self.release.revision
        ref = self.folder / "refs" / revision
        commit = revision if COMMIT.fullmatch(revision) else _text(ref)
        folder = self.snapshot(commit)
        if not COMMIT.fullmatch(commit) or not folder.is_dir():
            return None
        names = wanted(path.name for path in sorted(folder.iterdir()) if path.is_file())
        about = {"repository": self.release.repository, "revision": revision, "commit": commit}
        try:
            files = {name: _as_linked(folder / name) for name in names}
            return Pin.model_validate(about | {"files": files})
        except (OSError, ValidationError):  # a cache without links does not tell digests
            return None

    def link(self, pin: Pin, name: str) -> None:
        """Let a snapshot name a blob, and the revision the snapshot, so that other tools find them."""
        place, blob = self.snapshot(pin.commit) / name, self.blob(pin.files[name])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            place.symlink_to(Path(os.path.relpath(blob, place.parent)))
        except OSError:  # links are not to be had here: the layout then wants the file itself
            blob.replace(place)
        if pin.revision != pin.commit:
            _write(self.folder / "refs" / pin.revision, pin.commit)

    @contextmanager
    def alone(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Inside, no other process of ours downloads this repository; `waiting` is called as long as one does."""
        from filelock import Timeout
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported late

        path = self.cache / ".locks" / self.folder.name / "foveal.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(WeakFileLock(path, timeout=1))
                    break
                except Timeout:
                    waiting()
            yield


def _as_linked(place: Path) -> dict[str, object]:
    """What a link in a snapshot says of its file. Raises OSError when it is none."""
    return {"size": place.stat().st_size, "digest": place.readlink().name}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
