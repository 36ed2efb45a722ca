"""A profile names a model, how it is spoken to, the actions it knows and where its weights are."""

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from foveal.agent.actions import PerceptionKind
from foveal.agent.coordinates import Convention
from foveal.agent.errors import InputError
from foveal.agent.hub.releases import FREE, MAIN, RELEASES, Release, is_repository, is_revision
from foveal.agent.openai.address import checked_address
from foveal.agent.pools import Pool, known
from foveal.agent.settings import settings
from foveal.agent.specialists import KINDS, Choices, chosen, preferred
from foveal.agent.vpt import Trigger

DialectName = Literal["foveal", "vpt"]
Backend = Literal["native", "chat", "openai"]
DRAWN: tuple[PerceptionKind, ...] = ("segment", "depth")
"""What a model that was not trained on tokens is shown: every picture that a specialist can draw."""
EMBEDDED_TOOLS: tuple[PerceptionKind, ...] = (
    "look", "reencode", "detect", "segment", "depth", "read",
)  # fmt: skip
"""What the embedded weights know, as their prompt names it."""
DOMAIN = (
    "rendered tables with coloured solids, signs, cards, dials, beads and chips, flat drawings of coloured "
    "figures, and text in any picture"
)
"""What the embedded weights were trained for."""
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
    backend: Backend = "native"
    """Who thinks: a Qwen2-VL with perception tokens in this process, any vision chat model in it, or a server."""
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
    """The system prompt; `{tools}` becomes the actions that a run allows. Other backends add their own."""
    device: str = "cpu"
    """Where the networks run, as torch spells it."""
    domain: str = ""
    """What the model was trained for, in words shown to the user when a question lies outside."""
    model: str = ""
    """For other backends, the model: what the server calls it; for `chat` a folder, or owner/name on the Hub."""
    family: str = ""
    """For `chat`, the model type whose rules fit, where it is not the model's own: as `qwen2_5_vl`."""
    convention: Convention = "thousand"
    """For other backends, how the model was trained to write coordinates; for `chat` as its family, unless set."""
    base_url: Annotated[str, AfterValidator(checked_address)] = ""
    """The OpenAI-compatible server, as http://localhost:8000/v1."""
    api: Literal["chat", "responses"] = "chat"
    """Which of its interfaces is used: Chat Completions, which all have, or Responses."""
    tool_calls: bool = True
    """Whether it is offered the actions as tools; else they are spelled in text, as they are if it refuses."""
    timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without a word from it after which it counts as gone; some need minutes to read a picture."""
    image_ids: bool = False
    """Whether pictures carry stable ids. vLLM then looks them up instead of hashing them; others refuse them."""
    pools: Annotated[dict[str, Pool], AfterValidator(known)] = {}
    """How many copies of each specialist a cluster runs; those not named get one."""
    specialists: Choices = Field(default_factory=preferred)
    """Specialists of other packages instead of the profile's own, by place: detector = "mine"."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.weights is None and not self.repository:
            raise ValueError("weights or repository must say where the model is")
        found = self.model and (Path(self.model).is_dir() or is_repository(self.model))
        if self.backend == "chat" and not found:
            raise ValueError(f"model {self.model!r} is neither a folder nor owner/name on the Hub")
        return self

    @property
    def release(self) -> Release | None:
        """What is to be fetched before this profile can run, None when its folder is known."""
        if self.backend == "chat":
            return None if Path(self.model).is_dir() else Release(self.model, self.revision)
        if self.weights is not None:
            return None
        sizes = {release.repository: release.parameters for release in RELEASES.values()}
        return Release(self.repository, self.revision, sizes.get(self.repository, 0))

    def fetched(self, folder: Path) -> "Profile":
        """The profile once what it releases lies in a folder."""
        found = {"model": str(folder)} if self.backend == "chat" else {"weights": folder}
        return self.model_copy(update=found)

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


BUILT_IN = ("embedded", *RELEASES, "openai")
"""Profiles by name. Releases are downloaded when they are first used; the last speaks to a server."""


def with_trigger(profile: Profile, trigger: str) -> Profile:
    """The profile with another trigger phrase. Raises InputError where there is none of the kind."""
    if trigger not in get_args(Trigger):
        raise InputError(f"no trigger {trigger!r}; known: {', '.join(get_args(Trigger))}")
    if profile.dialect != "vpt":
        raise InputError(
            f"profile {profile.name!r} knows no trigger phrases; released checkpoints do, as vpt-2b-clip"
        )
    return profile.model_copy(update={"trigger": trigger})


def with_specialists(profile: Profile, pairs: Iterable[str]) -> Profile:
    """The profile with specialists of other packages, from pairs such as `detector=mine`.

    Raises InputError where there are none such, or where the model would never ask them.
    """
    choices = chosen(pairs)
    for place in choices:
        if KINDS[place] not in profile.tools:
            has = ", ".join(profile.tools) or "none"
            raise InputError(f"profile {profile.name!r} asks no {place}; its tools are: {has}")
    return profile.model_copy(update={"specialists": profile.specialists | choices})


def with_server(
    profile: Profile, base_url: str = "", model: str = "", where: str = "--base-url"
) -> Profile:
    """The profile with another server or model there. Raises InputError naming what cannot be.

    `where` says where the address was written.
    """
    if profile.backend != "openai":
        raise InputError(
            f"profile {profile.name!r} runs in process; for a server use --profile openai"
        )
    try:
        address = checked_address(base_url) or profile.base_url
    except ValueError as error:
        shown = "" if "@" in base_url else f" {base_url!r}"  # what stands before it may be a key
        raise InputError(f"{where}{shown} cannot be used: {error}") from None
    return profile.model_copy(update={"base_url": address, "model": model or profile.model})


def embedded_weights() -> Path:
    """The folder of the weights that ship in the package, or the one that the settings name."""
    return settings().weights or Path(str(resources.files("foveal.weights")))


def _built_in(name: str) -> Profile:
    if name in RELEASES:
        return released(name, RELEASES[name], settings().weights)
    if name == "openai":
        return with_server(_server(), settings().base_url, "", "FOVEAL_BASE_URL")
    return Profile(
        name="embedded",
        weights=embedded_weights(),
        tools=EMBEDDED_TOOLS,
        device=settings().device,
        domain=DOMAIN,
    )


def _server() -> Profile:
    return Profile(
        name="openai",
        backend="openai",
        weights=embedded_weights(),
        system="",
        drawn=DRAWN,
        device=settings().device,
    )


def chat(name: str, model: str) -> Profile:
    """The profile of a vision chat model, from its folder or as owner/name on the Hugging Face Hub."""
    return Profile(
        name=name,
        backend="chat",
        weights=embedded_weights(),
        model=model,
        system="",
        drawn=DRAWN,
        device=settings().device,
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
    beside = path.parent / str(values.get("model", ""))
    if values.get("backend") == "chat" and values.get("model") and beside.is_dir():
        values["model"] = str(beside)
    try:
        return Profile.model_validate(_defaults(path.stem, values) | values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "weights"
        raise InputError(f"profile {str(path)!r}, {where}: {first['msg']}") from None


def _defaults(name: str, values: dict[str, Any]) -> dict[str, object]:
    """What a file need not say: as the built-in profile that it is `like`, which is taken out of `values`."""
    backend = values.get("backend")
    base = values.pop("like", "openai" if backend == "openai" else None)
    if base is None and backend == "chat":
        return chat(name, str(values.get("model", ""))).model_dump(exclude_unset=True)
    if base is None:
        defaults: dict[str, object] = {
            "device": settings().device, "weights": embedded_weights(), "tools": EMBEDDED_TOOLS,
        }  # fmt: skip
    elif base in BUILT_IN:
        defaults = _built_in(base).model_dump()
    else:
        raise InputError(
            f"profile {name!r} is like {base!r}, which is none of {', '.join(BUILT_IN)}"
        )
    if {"repository", "revision"} & values.keys():
        defaults["weights"] = None
    return defaults | {"name": name}
