"""From what a client calls an image to its pixels, and never to a file outside the folders that it may read.

A client is a model's hands: what it names may have been written by whoever wrote a web page that the model read.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from foveal.agent.errors import InputError
from foveal.agent.settings import Settings
from foveal.graphs.choices import loaded
from foveal.tools.images import Pixels

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")  # two letters: C:\ is a drive
_BARE = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk|SUkq|TU0A)[A-Za-z0-9+/\s]{200,}={0,2}\s*")
"""Base64 of what PNG, JPEG, GIF, WebP, BMP and TIFF files begin with, longer than any path."""


@dataclass(frozen=True)
class Fence:
    """Which folders may be read."""

    roots: tuple[Path, ...]
    """Folders, links in them followed."""
    fixed: bool = True
    """Whether a client's own roots are ignored, since the user has named some or the client is elsewhere."""

    def within(self, declared: Sequence[str] | None) -> "Fence":
        """The fence for a client that declares these roots, as file URIs; None when it declares none."""
        if self.fixed or declared is None:
            return self
        return Fence(tuple(path_of(uri).resolve() for uri in declared if uri.startswith("file:")))

    def opened(self, path: Path) -> Path:
        """The file that a path leads to, links followed. Raises InputError when it lies outside."""
        try:
            real = path.expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{str(path)[:200]!r} cannot be read: {error}") from None
        if not any(real.is_relative_to(root) for root in self.roots):
            raise InputError(f"{str(path)[:200]!r} is refused: it is not in {self._named()}")
        return real

    def _named(self) -> str:
        if not self.roots:
            return "a folder that may be read, for there is none; start `agent mcp` with --root DIR"
        folders = ", ".join(map(str, self.roots))
        return f"{folders}; move it there, or start `agent mcp` with --root DIR"


def pixels_of(image: str, fence: Fence, settings: Settings) -> Pixels:
    """The pixels of a path, a file, http or https URL, a data URL, or base64. Raises InputError with the cure."""
    if not image.strip():
        raise InputError("the image is empty; give a path, a URL, or a data URL")
    if _BARE.fullmatch(image):
        return loaded(_decoded(image), settings)
    if image[:5].lower() == "file:":
        return loaded(fence.opened(path_of(image)), settings)
    if _SCHEME.match(image):
        return loaded(_sent(image), settings)
    return loaded(fence.opened(Path(image)), settings)


def is_path(image: str) -> bool:
    """Whether an image is named by a path, so that it matters which folders may be read."""
    return image[:5].lower() == "file:" or not (_SCHEME.match(image) or _BARE.fullmatch(image))


def path_of(uri: str) -> Path:
    """The path of a file URI on this machine. Raises InputError when it is on another."""
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{uri[:200]!r} is on another machine; give a file of this one")
    return Path(url2pathname(parts.path))


def _sent(image: str) -> str:
    if image.split(":")[0].lower() not in ("http", "https", "data"):
        raise InputError(
            f"{image[:200]!r} is refused: give a path, an http, https or data URL, or base64"
        )
    return image


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"the image is no valid base64 ({error}); encode the file again") from None
