"""What this machine has for running the embedded profile, and how to mend what is missing."""

import os
import platform
import re
import shutil
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from foveal.agent.errors import FovealError, SetupError
from foveal.agent.hub.fetching import at_hand
from foveal.agent.hub.releases import RELEASES, memory, size
from foveal.agent.profiles import embedded_weights, load
from foveal.agent.settings import settings
from foveal.agent.weights import CURE, SUMS, checksums, verify
from foveal.tools.external import offers

NEEDED = ("models", "detector", "segmenter", "ocr")
"""The extras without which the embedded profile cannot do all it knows."""
ESSENTIAL = ("config.json", "model.safetensors", "tokenizer.json")
SPECIALISTS = (
    "detector.yaml", "detector.safetensors", "segmenter.json", "segmenter.safetensors",
    "depth.json", "depth.safetensors",
)  # fmt: skip
ROOM = 200 * 2**20
"""Bytes that should be free for temporary files."""

State = Literal["ok", "optional", "problem"]


class Check(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True)

    about: str
    name: str
    state: State
    found: str
    cure: str = ""
    """The command that mends it, if it is not there."""


class Report(BaseModel):
    """Everything that was looked at."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    """Whether the embedded profile can run."""
    checks: tuple[Check, ...]


def examined() -> Report:
    """Look at everything. Nothing is started, downloaded or changed."""
    checks = (
        *_python(),
        *_extras(),
        *_weights(),
        *_profiles(),
        *_specialists(),
        *_devices(),
        *_ray(),
        *_disk(),
    )
    return Report(ok=all(check.state != "problem" for check in checks), checks=checks)


def _python() -> Iterator[Check]:
    found = f"{platform.python_version()} at {sys.executable}"
    yield Check(about="python", name="python", state="ok", found=found)
    yield Check(about="python", name="foveal", state="ok", found=version("foveal"))


def _extras() -> Iterator[Check]:
    for extra, packages in declared_extras().items():
        versions = {package: installed(package) for package in packages}
        missing = [package for package, found in versions.items() if found is None]
        if missing:
            state: State = "problem" if extra in NEEDED else "optional"
            found, cure = f"missing: {', '.join(missing)}", f"pip install 'foveal[{extra}]'"
        else:
            state, cure = "ok", ""
            found = ", ".join(f"{package} {found}" for package, found in versions.items())
        yield Check(about="extras", name=extra, state=state, found=found, cure=cure)


def declared_extras() -> dict[str, list[str]]:
    """Each extra of this package and what it installs, as the installed package declares them."""
    extras: dict[str, list[str]] = {}
    for line in requires("foveal") or []:
        match = re.match(r"""([\w.-]+).*;.*extra == ['"]([\w-]+)['"]""", line)
        if match and match[1] != "foveal" and match[2] != "dev":
            extras.setdefault(match[2], []).append(match[1])
    return extras


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _weights() -> Iterator[Check]:
    try:
        folder = embedded_weights()
        listed = checksums(folder)
    except (FovealError, OSError, UnicodeDecodeError) as error:
        yield _broken("weights", "folder", str(error), "correct that setting, or take it out")
        return
    yield Check(about="weights", name="folder", state="ok", found=str(folder))
    for name in dict.fromkeys((*ESSENTIAL, *SPECIALISTS, *sorted(listed))):
        yield _intact(folder / name, name in listed)


def _intact(path: Path, listed: bool) -> Check:
    try:
        verify(path)
    except SetupError as error:
        return _broken("weights", path.name, error.problem, error.cure)
    except OSError as error:
        return _broken("weights", path.name, str(error.strerror), CURE)
    bytes_there = size(path.stat().st_size)
    if listed:
        return Check(about="weights", name=path.name, state="ok", found=f"{bytes_there}, verified")
    found = f"{bytes_there}, not listed in {SUMS}, so not verified"
    return Check(about="weights", name=path.name, state="optional", found=found)


def _profiles() -> Iterator[Check]:
    yield Check(about="profiles", name="embedded", state="ok", found="comes with the package")
    for name in RELEASES:
        try:
            yield _profile(name)
        except FovealError as error:
            yield Check(about="profiles", name=name, state="optional", found=str(error))
    yield _server()


def _server() -> Check:
    """Whether somebody listens at the address of the profile `openai`; nothing is asked of it."""
    cure = "agent run --base-url http://HOST:PORT/v1 --model NAME, or set FOVEAL_BASE_URL"
    try:
        url = urlsplit(load("openai").base_url)
    except FovealError as error:
        return Check(about="profiles", name="openai", state="optional", found=str(error), cure=cure)
    if not url.hostname:
        found = "asks an OpenAI-compatible server; none is named"
        return Check(about="profiles", name="openai", state="optional", found=found, cure=cure)
    port = url.port or (443 if url.scheme == "https" else 80)
    key = "with a key" if settings().api_key else "without a key"
    if _answers(f"{url.hostname}:{port}"):
        found = f"asks the server at {url.geturl()}, {key}"
        return Check(about="profiles", name="openai", state="ok", found=found)
    found = f"nobody listens at {url.geturl()}"
    return Check(about="profiles", name="openai", state="optional", found=found, cure=cure)


def _profile(name: str) -> Check:
    release, disk = load(name).release, RELEASES[name].disk
    found, cure = f"in the folder that FOVEAL_WEIGHTS names, {settings().weights}", ""
    if release is not None:
        here = at_hand(release)
        found = f"downloaded to {here}"
        if here is None:
            on_cpu = memory(disk, "cpu")
            found = f"needs {size(disk)} of disk, and {size(on_cpu)} of memory on cpu or {size(disk)} on a GPU"
            cure = "a model is downloaded when it is first used: agent run --profile NAME"
    return Check(
        about="profiles", name=name, state="optional" if cure else "ok", found=found, cure=cure
    )


def _specialists() -> Iterator[Check]:
    """What other packages offer; nothing of theirs is imported."""
    names = Counter(offer.name for offer in offers())
    for offer in offers():
        found, cure = f"offered by {offer} ({offer.entry.value})", ""
        if names[offer.name] > 1:
            cure = f"several packages offer this name: choose {offer.package}:{offer.name}"
        state: State = "optional" if cure else "ok"
        yield Check(about="specialists", name=offer.name, state=state, found=found, cure=cure)


def _devices() -> Iterator[Check]:
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    yield Check(about="devices", name="processors", state="ok", found=str(processors))
    if installed("torch") is None:
        return
    try:
        import torch

        gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    except (
        Exception
    ) as error:  # a broken installation fails in its own ways, and that is the finding
        yield _broken(
            "devices",
            "torch",
            f"cannot be imported: {error}",
            "pip install --force-reinstall torch",
        )
        return
    yield Check(about="devices", name="cuda", state="ok", found=", ".join(gpus) or "none")
    try:
        device = settings().device
    except FovealError as error:
        yield _broken("devices", "settings", str(error), "correct that setting, or take it out")
        return
    if device.startswith("cuda") and not gpus:
        yield _broken(
            "devices", "FOVEAL_DEVICE", f"{device} is not there", "export FOVEAL_DEVICE=cpu"
        )
    else:
        yield Check(about="devices", name="in use", state="ok", found=device)


def _ray() -> Iterator[Check]:
    if installed("ray") is None:
        return  # the extra's line says so already
    address = _ray_address()
    if address is None:
        found, cure = "none seen", "ray start --head, or agent run --ray for one question"
    elif _answers(address):
        found, cure = f"running at {address}: agent run --ray {address}", ""
    else:
        found, cure = f"no answer at {address}", "ray start --head"
    yield Check(
        about="ray", name="cluster", state="optional" if cure else "ok", found=found, cure=cure
    )


def _ray_address() -> str | None:
    """Where a cluster should be: as RAY_ADDRESS says, or where the last one on this machine was started."""
    named = os.environ.get("RAY_ADDRESS")  # Ray's own variable, so not in our settings
    if named and named not in ("auto", "local"):
        return named
    try:
        path = Path(tempfile.gettempdir(), "ray", "ray_current_cluster")
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _answers(address: str) -> bool:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


def _disk() -> Iterator[Check]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield _broken(
            "disk", "temporary files", str(error), "set TMPDIR to a folder that can be written"
        )
        return
    found = f"{folder}, {size(free)} free"
    if free < ROOM:
        yield _broken("disk", "temporary files", found, f"free {size(ROOM)} there or set TMPDIR")
    else:
        yield Check(about="disk", name="temporary files", state="ok", found=found)


def _broken(about: str, name: str, found: str, cure: str) -> Check:
    return Check(about=about, name=name, state="problem", found=found, cure=cure)
