"""A profile names a model, how it is spoken to, the actions it knows and where its weights are."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.pools import Pool, known
from foveal.agent.releases import FREE, MAIN, RELEASES, Release, is_repository, is_revision
from foveal.agent.settings import settings
from foveal.agent.vpt import Trigger

DialectName = Literal["foveal", "vpt"]
RELEASED_TOOLS: tuple[PerceptionKind, ...] = ("look", "reencode")
"""What the released checkpoints know."""


def _repository(name: str) -> str:
    if name and not is_repository(name):
        raise ValueError("a repository is written owner/name")
    return name


def _revision(name: str) -> str:
    if not is_revision(name):
        raise ValueError("a revision is a branch, a tag or a commit id")
    return name


class Profile(BaseModel):
    """Everything that must agree for a model and its specialists to work together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights: Path | None = None
    """Folder with the model (Hugging Face layout) and its specialists' weights; None where it is fetched."""
    repository: Annotated[str, AfterValidator(_repository)] = ""
    """Where the Hugging Face Hub has the model, as owner/name; used when there is no folder."""
    revision: Annotated[str, AfterValidator(_revision)] = MAIN
    """Branch, tag or commit id there. What a branch or tag means is settled at the first download and kept."""
    dialect: DialectName = "foveal"
    """How the model is spoken to: as ours are, or as the Visual Perception Token paper's released checkpoints."""
    trigger: Trigger = "none"
    """The phrase that follows the question in the paper's dialect. The released checkpoints were tuned to look
    again when it says so; without it expect a direct answer, except of `vpt-2b-free`, which decides itself."""
    tools: tuple[PerceptionKind, ...] = ("look", "detect", "segment", "depth", "read")
    """The perception actions that the model was trained to use."""
    drawn: tuple[PerceptionKind, ...] = ()
    """Of segment and depth, those whose pictures the model was trained to see."""
    system: str = "tools: {tools}"
    """The system prompt; `{tools}` becomes the actions that a run allows."""
    device: str = "cpu"
    """Where the networks run, as torch spells it."""
    domain: str = ""
    """What the model was trained for, in words shown to the user when a question lies outside."""
    pools: Annotated[dict[str, Pool], AfterValidator(known)] = {}
    """How many copies of each specialist a cluster runs; those not named get one."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.weights is None and not self.repository:
            raise ValueError("weights or repository must say where the model is")
        return self

    @property
    def release(self) -> Release | None:
        """What is to be fetched before this profile can run, None when its folder is known."""
        if self.weights is not None:
            return None
        sizes = {release.repository: release.parameters for release in RELEASES.values()}
        return Release(self.repository, self.revision, sizes.get(self.repository, 0))

    @property
    def folder(self) -> Path:
        """The folder with the weights. Raises ValueError while they are still to be fetched."""
        if self.weights is None:
            raise ValueError(f"profile {self.name!r} has no folder before its model is fetched")
        return self.weights


def load(name: str | Path) -> Profile:
    """A built-in profile by name, or one from a TOML file.

    Raises InputError for a name that is neither.
    """
    text = str(name)
    if text in BUILT_IN:
        return _built_in(text)
    path = Path(text)
    if path.suffix == ".toml":
        return _from_file(path)
    raise InputError(
        f"no profile {text!r}; known: {', '.join(BUILT_IN)}, or the path of a .toml file"
    )


BUILT_IN = ("embedded", *RELEASES)
"""Profiles by name; all but the first download their model when it is first used."""


def with_trigger(profile: Profile, trigger: str) -> Profile:
    """The profile with another trigger phrase. Raises InputError where there is none of the kind."""
    if trigger not in get_args(Trigger):
        raise InputError(f"no trigger {trigger!r}; known: {', '.join(get_args(Trigger))}")
    if profile.dialect != "vpt":
        raise InputError(
            f"profile {profile.name!r} knows no trigger phrases; released checkpoints do, as vpt-2b-clip"
        )
    return profile.model_copy(update={"trigger": trigger})


def embedded_weights() -> Path:
    """The folder of the weights that ship in the package, or the one that the settings name."""
    return settings().weights or Path(str(resources.files("foveal.weights")))


def _built_in(name: str) -> Profile:
    if name in RELEASES:
        return released(name, RELEASES[name], settings().weights)
    return Profile(
        name="embedded",
        weights=embedded_weights(),
        device=settings().device,
        domain="rendered tabletop scenes of coloured solids and signs, and text in any picture",
    )


def released(name: str, release: Release | None, folder: Path | None) -> Profile:
    """The profile of a checkpoint in the released format, from its folder or from where it was released."""
    phrase = "" if name in FREE else " whose question ends in a trigger phrase (region or reencode)"
    return Profile(
        name=name,
        weights=folder,
        repository=release.repository if release else "",
        revision=release.revision if release else MAIN,
        dialect="vpt",
        tools=RELEASED_TOOLS,
        device=settings().device,
        domain=f"photographs and documents{phrase}",
    )


def _from_file(path: Path) -> Profile:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read profile {str(path)!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"profile {str(path)!r} is not valid TOML: {error}") from None
    if isinstance(values.get("weights"), str):
        values["weights"] = path.parent / values["weights"]
    try:
        return Profile.model_validate(_defaults(path.stem, values) | values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "weights"
        raise InputError(f"profile {str(path)!r}, {where}: {first['msg']}") from None


def _defaults(name: str, values: dict[str, Any]) -> dict[str, object]:
    """What a file need not say: as the built-in profile that it is `like`, which is taken out of `values`."""
    base = values.pop("like", None)
    if base is None:
        defaults: dict[str, object] = {"device": settings().device, "weights": embedded_weights()}
    elif base in BUILT_IN:
        defaults = _built_in(base).model_dump()
    else:
        raise InputError(
            f"profile {name!r} is like {base!r}, which is none of {', '.join(BUILT_IN)}"
        )
    if {"repository", "revision"} & values.keys():
        defaults["weights"] = None
    return defaults | {"name": name}
