"""Models from the Hugging Face Hub: downloaded when first used, pinned, verified, and never asked about again.

Nothing but settings and tensors is fetched, and no code that a repository holds is ever run. Where all files are
here, there is no network call; a machine without a network says what is missing and where it may come from.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from foveal.agent.errors import SetupError
from foveal.agent.hub.download import Stop, check, download
from foveal.agent.hub.pins import COMMIT, Pin, heavy, wanted
from foveal.agent.hub.progress import Advance, announce, bar
from foveal.agent.hub.releases import Release, memory, size
from foveal.agent.hub.shelf import Shelf

RESERVE = 50 * 10**6
"""Bytes that a download leaves free."""
TELEMETRY = "HF_HUB_DISABLE_TELEMETRY"


def fetch(
    release: Release, device: str = "cpu", weights: bool = True, stop: Stop = lambda: False
) -> Path:
    """The folder of a release's files, downloaded as far as they are not here; without `weights`, the small ones.

    `device` is where it will run, and only mentioned. A true `stop()` ends the download, which a later one goes on
    with. Raises SetupError when something is missing and cannot be had: network, room, access, intact bytes.
    """
    _prepare()
    shelf = Shelf.of(release)
    here = at_hand(release, weights)
    if here is not None:
        return here
    try:
        with shelf.alone(_patience(release, stop)):
            pin = _pinned(shelf)
            if weights and not shelf.complete(pin):  # another process may have been faster
                _check_room(shelf, pin, device)
            return _gathered(shelf, pin, weights, stop)
    except OSError as error:  # what the network does is told where it happens
        problem = f"{error.filename or shelf.cache} cannot be written: {error.strerror or error}"
        raise SetupError(problem, "set FOVEAL_CACHE to a folder that can be written") from error


def at_hand(release: Release, weights: bool = True) -> Path | None:
    """The folder of a release whose files are all here and verified. Nothing is fetched or changed."""
    _prepare()
    shelf = Shelf.of(release)
    pin = shelf.pin()
    return shelf.snapshot(pin.commit) if pin and shelf.complete(pin, weights) else None


def _prepare() -> None:
    """See that huggingface_hub is there, and tells nobody what else this process uses."""
    try:
        from huggingface_hub import constants
    except ModuleNotFoundError as error:
        raise SetupError(
            "huggingface_hub is not installed", "pip install 'foveal[models]'"
        ) from error
    if TELEMETRY not in os.environ:  # the library's own switch, so not in our settings
        constants.HF_HUB_DISABLE_TELEMETRY = True


def _patience(release: Release, stop: Stop) -> Callable[[], None]:
    """What to do while another process downloads."""
    told: list[str] = []

    def wait() -> None:
        check(stop)
        if not told:
            told.append(f"another process is downloading {release.repository}; waiting for it")
            announce(told[0])

    return wait


def _pinned(shelf: Shelf) -> Pin:
    """What is to be here: what was settled on before, else what the Hub has now, else what lies here already."""
    pin = shelf.pin()
    if pin is None:
        with _translated(shelf.release):
            pin = _listed(shelf.release)
        pin = pin or shelf.found()
    if pin is None or not _complete(pin):
        raise _unreachable(shelf)
    shelf.keep(pin)
    return pin


def _listed(release: Release) -> Pin | None:
    """What the Hub has at the release's revision; None when it cannot be reached."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    transport: Any = HfHubHTTPError.__bases__[0]  # httpx.HTTPError, or httpx2's in later versions
    try:
        info = HfApi(library_name="foveal").model_info(
            release.repository,
            revision=release.revision,
            files_metadata=True,
            timeout=constants.HF_HUB_ETAG_TIMEOUT,
        )
    except HfHubHTTPError:
        raise
    except (transport, OSError):  # no network, or told to use none
        return None
    pin = _pin_of(release, info)
    if COMMIT.fullmatch(release.revision) and pin.commit != release.revision:
        problem = (
            f"{release.repository}: the Hub gives {pin.commit[:12]} for {release.revision[:12]}"
        )
        raise SetupError(problem, "check HF_ENDPOINT")
    if not _complete(pin):
        problem = f"{release.repository} holds no model that can be read here"
        raise SetupError(problem, "it needs a config.json and weights (safetensors or .bin)")
    return pin


def _pin_of(release: Release, info: Any) -> Pin:
    files = {file.rfilename: file for file in info.siblings or ()}
    stated = {
        name: {
            "size": files[name].lfs.size if files[name].lfs else files[name].size,
            "digest": files[name].lfs.sha256 if files[name].lfs else files[name].blob_id,
        }
        for name in wanted(files)
    }
    about = {"repository": release.repository, "revision": release.revision, "commit": info.sha}
    return Pin.model_validate({**about, "files": stated})


def _complete(pin: Pin) -> bool:
    return "config.json" in pin.files and any(map(heavy, pin.files))


@contextmanager
def _translated(release: Release) -> Iterator[None]:
    """The Hub's refusals in our words."""
    from huggingface_hub import constants, errors

    name, hub = release.repository, constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError as error:
        cure = f"accept them at {hub}/{name}, then `hf auth login`"
        raise SetupError(f"{name} is given only to those who accept its terms", cure) from error
    except errors.RepositoryNotFoundError as error:
        cure = "check the name, or log in with `hf auth login` if it is private"
        raise SetupError(f"there is no model {name} at {hub}", cure) from error
    except errors.RevisionNotFoundError as error:
        problem = f"{name} has no revision {release.revision!r}"
        raise SetupError(problem, "correct the profile's revision") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise SetupError(f"{hub} answers {status} about {name}", "try again later") from error
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        problem = f"{hub} does not answer about {name} as the Hugging Face Hub does"
        raise SetupError(problem, "check HF_ENDPOINT and your proxy") from error


def _unreachable(shelf: Shelf) -> SetupError:
    cure = (
        "connect to the network (and unset HF_HUB_OFFLINE), or set FOVEAL_WEIGHTS to a folder of it"
    )
    problem = f"{shelf.release.repository} is not in {shelf.cache} and the Hub cannot be reached"
    return SetupError(problem, cure)


def _check_room(shelf: Shelf, pin: Pin, device: str) -> None:
    """Say what the model needs. Raises SetupError when the disk has no room for what is still to come."""
    sizes = [stored.size for name, stored in pin.files.items() if heavy(name)]
    missing = _missing(shelf, pin, pin.names())
    announce(
        f"{pin.repository} needs {size(sum(sizes))} of disk in {shelf.cache} ({size(missing)} to download) "
        f"and {size(memory(sum(sizes), device))} of memory on {device}"
        + (f", or {size(sum(sizes))} on a GPU (FOVEAL_DEVICE=cuda)" if device == "cpu" else "")
    )
    free = shutil.disk_usage(shelf.cache).free
    if missing + RESERVE > free:
        problem = f"{pin.repository} needs {size(missing)} more in {shelf.cache}, where {size(free)} are free"
        raise SetupError(problem, "free some, or set FOVEAL_CACHE to a folder on another disk")


def _missing(shelf: Shelf, pin: Pin, names: list[str]) -> int:
    """Bytes that are not here yet."""
    return sum(
        pin.files[name].size - _arrived(shelf, pin, name)
        for name in names
        if not pin.files[name].fits(shelf.snapshot(pin.commit) / name)
        and not pin.files[name].fits(shelf.blob(pin.files[name]))
    )


def _arrived(shelf: Shelf, pin: Pin, name: str) -> int:
    partial = shelf.partial(pin.files[name])
    return min(partial.stat().st_size, pin.files[name].size) if partial.is_file() else 0


def _gathered(shelf: Shelf, pin: Pin, weights: bool, stop: Stop) -> Path:
    names = [name for name in pin.names(weights) if not _settled(shelf, pin, name)]
    missing = _missing(shelf, pin, names)
    done = sum(_arrived(shelf, pin, name) for name in names)
    with bar(pin.repository, done + missing, done) as advance:
        for name in names:
            _bring(shelf, pin, name, advance, stop)
            pin = pin.model_copy(update={"verified": pin.verified | {name}})
            shelf.keep(pin)
    return shelf.snapshot(pin.commit)


def _settled(shelf: Shelf, pin: Pin, name: str) -> bool:
    return name in pin.verified and pin.files[name].fits(shelf.snapshot(pin.commit) / name)


def _bring(shelf: Shelf, pin: Pin, name: str, advance: Advance, stop: Stop) -> None:
    """See that a file is in its snapshot and holds what was stated; what does not is removed."""
    stored, place = pin.files[name], shelf.snapshot(pin.commit) / name
    if stored.is_in(place):
        return
    place.unlink(missing_ok=True)
    blob, partial = shelf.blob(stored), shelf.partial(stored)
    if not stored.is_in(blob):
        blob.unlink(missing_ok=True)
        _download(shelf, pin, name, advance, stop)
        if not stored.is_in(partial):
            partial.unlink()
            problem = f"{name} of {pin.repository} is not what the Hub states: its digest differs"
            raise SetupError(f"{problem}; it was removed", "try again, or check your proxy")
        partial.replace(blob)
    shelf.link(pin, name)


def _download(shelf: Shelf, pin: Pin, name: str, advance: Advance, stop: Stop) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        raise _unreachable(shelf)
    partial = shelf.partial(pin.files[name])
    partial.parent.mkdir(parents=True, exist_ok=True)
    url = f"{constants.ENDPOINT}/{pin.repository}/resolve/{pin.commit}/{name}"
    headers = build_hf_headers(library_name="foveal")
    download(url, headers, partial, pin.files[name], advance, stop)
