"""Which profile a command means: by its name, or made for the model that it points at."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from foveal.agent.actions import PERCEPTIONS, Encoder, PerceptionKind
from foveal.agent.errors import InputError, SetupError
from foveal.agent.hub.releases import RELEASES, Release, is_repository
from foveal.agent.profiles import (
    Profile,
    chat,
    load,
    released,
    with_server,
    with_specialists,
    with_trigger,
)
from foveal.agent.settings import settings

BROUGHT: dict[PerceptionKind, tuple[str, ...]] = {
    "detect": ("detector.yaml", "detector.safetensors"),
    "segment": ("segmenter.json", "segmenter.safetensors"),
    "depth": ("depth.json", "depth.safetensors"),
}
"""The files that a folder must hold for a specialist to be there."""
HEADER = 2**24
"""Bytes of a safetensors header that are read at most."""
PAPERS = ("qwen2_vl_vpt", "vrt_qwen2_vl")
"""Model types of checkpoints in the format of the Visual Perception Token paper, the later and the earlier."""
OURS = "qwen2_vl"


def choose(
    profile: str | None = None,
    model: str | None = None,
    trigger: str | None = None,
    base_url: str | None = None,
    specialists: Iterable[str] = (),
) -> Profile:
    """The profile by name (by default the settings' own) or for a model, with a trigger phrase if one is given.

    With an address, or a profile that speaks to a server, `model` is what that server calls it. `specialists` are
    those of other packages, as `detector=mine`.
    Raises InputError when that cannot be, SetupError when what it needs is not there.
    """
    found = _named(profile, model, base_url)
    found = found if trigger is None else with_trigger(found, trigger)
    return with_specialists(found, specialists)


def _named(profile: str | None, model: str | None, base_url: str | None) -> Profile:
    if base_url is not None:
        return with_server(load(profile or "openai"), base_url, model or "")
    if model is None:
        return load(profile or settings().profile)
    if profile is None:
        return of_model(model)
    found = load(profile)
    if found.backend != "openai":
        raise InputError("--profile and --model exclude each other: a profile names its model")
    return with_server(found, model=model)


def of_model(where: str | Path) -> Profile:
    """The profile for a model folder, or for a repository of the Hugging Face Hub written owner/name.

    Of a repository that is not a known release its settings are fetched here, its weights on first use. Raises
    InputError naming what is wrong.
    """
    text, folder = str(where), Path(where).expanduser()
    if folder.exists():
        return _of_folder(folder.resolve(), folder.resolve().name)
    if not is_repository(text):
        problem = (
            f"no model {text!r}: there is no such folder, and a repository is written owner/name"
        )
        raise InputError(problem)
    return _of_repository(text)


def _of_repository(repository: str) -> Profile:
    for name, release in RELEASES.items():
        if release.repository == repository:
            return released(name, release, None)
    from foveal.agent.hub.fetching import fetch

    release = Release(repository)
    try:
        folder = fetch(release, weights=False)
    except SetupError as error:
        problem = f"{error.problem} (and there is no folder {repository!r} here)"
        raise SetupError(problem, error.cure) from error
    found = _of_folder(folder, repository)
    if found.backend == "chat":
        return found.model_copy(update={"model": repository})
    return found.model_copy(update={"weights": None, "repository": repository})


def _of_folder(folder: Path, name: str) -> Profile:
    config = _config(folder)
    kind = str(config.get("model_type", OURS))
    if kind in PAPERS:
        return released(name, None, folder)
    if kind == OURS and _knows_perception(folder / "tokenizer.json"):
        return Profile(name=name, weights=folder, tools=_tools(folder), device=settings().device)
    if not any("vision" in setting for setting in config):
        raise InputError(f"{name}: models of type {kind!r} see no images; use a vision chat model")
    return chat(name, str(folder))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return dict(config.items())
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
    except (ValueError, AttributeError):
        reason = f"{path} is no model configuration"
    raise InputError(f"{folder} holds no model: {reason}")


def _knows_perception(tokenizer: Path) -> bool:
    try:
        text = tokenizer.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{tokenizer.parent} holds no model: {tokenizer.name} cannot be read"
        ) from error
    return re.search(r'"<\|(region_token|look)_start\|>"', text) is not None


def _tools(folder: Path) -> tuple[PerceptionKind, ...]:
    """Looking needs the model alone; a folder that brings specialists is read with, too."""
    brought = {
        kind for kind, names in BROUGHT.items() if all((folder / n).is_file() for n in names)
    }
    again = ("reencode",) if _projects(folder / "model.safetensors") else ()
    able = {"look", *again, *brought, *(("read",) if brought else ())}
    return tuple(kind for kind in PERCEPTIONS if kind in able)


def _projects(weights: Path) -> bool:
    """Whether a file names projectors among its tensors; whether it is intact will be seen when it is loaded."""
    try:
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            names = json.loads(file.read(min(size, HEADER)))
    except (OSError, ValueError):
        return False
    return any(f"{kind}_projector." in name for name in names for kind in get_args(Encoder))
