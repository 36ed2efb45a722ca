"""One file from the Hub, a piece at a time: what arrived before an interruption is kept and gone on from.

huggingface_hub itself starts a file over when its process was interrupted (since 1.18), which is dear at 5 GB.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foveal.agent.errors import SetupError
from foveal.agent.hub.pins import Stored
from foveal.agent.hub.progress import Advance

ATTEMPTS = 5
"""Times that a transfer may break in a row without bringing anything new."""
PAUSE = 1.0
"""Seconds to wait after the first of them; more after each."""
SILENCE = 20.0
"""Seconds without a byte before a transfer counts as broken."""
_AGAIN = (408, 416, 429, 500, 502, 503, 504)
"""Answers after which asking again may help."""

Stop = Callable[[], bool]


class _Broken(Exception):
    """A transfer ended early."""


def download(
    url: str, headers: Mapping[str, str], to: Path, stored: Stored, advance: Advance, stop: Stop
) -> None:
    """Bring the file at `to`, which may hold a beginning, to its full size. Its digest is not looked at."""
    failures = 0
    while (have := _length(to)) < stored.size:
        check(stop)
        try:
            _go_on(url, headers, to, stored.size, advance, stop)
        except _Broken as error:
            failures = 1 if _length(to) > have else failures + 1
            if failures > ATTEMPTS:
                problem = f"{url} cannot be downloaded: {error}"
                raise SetupError(problem, "try again: it goes on where it stopped") from error
            time.sleep(PAUSE * failures)
    to.touch()  # a file of no bytes is one, too


def _go_on(
    url: str, headers: Mapping[str, str], to: Path, size: int, advance: Advance, stop: Stop
) -> None:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # exported late

    have = _length(to)
    asked = {**headers, "Accept-Encoding": "identity", "Range": f"bytes={have}-"}
    transport: Any = HfHubHTTPError.__bases__[0]  # httpx.HTTPError, or httpx2's in later versions
    try:
        with get_session().stream("GET", url, headers=asked, timeout=SILENCE) as response:
            if _begins_anew(response.status_code, url, have):
                advance(-have)
                have = 0
            if _write(response, to, have, size, advance, stop) < size:
                raise _Broken("the connection ended early")
    except transport as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _begins_anew(status: int, url: str, have: int) -> bool:
    """Whether the body is the whole file, not what was asked for. Raises for what is no file at all."""
    if status == 206:
        return False
    if status == 200:
        return have > 0
    if status in _AGAIN:
        raise _Broken(f"the server answers {status}")
    cure = "check the revision, or log in with `hf auth login` if it is not public"
    raise SetupError(f"{url} answers {status}", cure)


def _write(response: Any, to: Path, have: int, size: int, advance: Advance, stop: Stop) -> int:
    """Append what arrives to the `have` bytes that are kept. Returns how many there are then."""
    with to.open("r+b" if have else "wb") as file:
        file.seek(have)
        for piece in response.iter_bytes():
            check(stop)
            file.write(piece[: size - have])
            advance(min(len(piece), size - have))
            have += len(piece)
            if have > size:
                raise SetupError(
                    f"{response.url} is longer than the Hub states", "report it to its owner"
                )
    return have


def check(stop: Stop) -> None:
    """Raise SetupError when whoever wanted the download wants it no more."""
    if stop():
        raise SetupError("the download was stopped", "ask again: it goes on where it stopped")


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
