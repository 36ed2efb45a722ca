"""A profile names a model, the actions it knows and where its weights are."""

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.settings import settings


class Profile(BaseModel):
    """Everything that must agree for a model and its specialists to work together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights: Path
    """Folder with the model (Hugging Face layout) and its specialists' weights."""
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


def load(name: str | Path) -> Profile:
    """A built-in profile by name, or one from a TOML file.

    Raises InputError for a name that is neither.
    """
    text = str(name)
    if text == "embedded":
        return _embedded()
    path = Path(text)
    if path.suffix == ".toml":
        return _from_file(path)
    raise InputError(f"no profile {text!r}; known: embedded, or the path of a .toml file")


def embedded_weights() -> Path:
    """The folder of the weights that ship in the package, or the one that the settings name."""
    return settings().weights or Path(str(resources.files("foveal.weights")))


def _embedded() -> Profile:
    return Profile(
        name="embedded",
        weights=embedded_weights(),
        device=settings().device,
        domain="rendered tabletop scenes of coloured solids and signs, and text in any picture",
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
        return Profile.model_validate(_defaults(path.stem) | values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"profile {str(path)!r}, {where}: {first['msg']}") from None


def _defaults(name: str) -> dict[str, object]:
    """What a file need not say."""
    return {"name": name, "weights": embedded_weights(), "device": settings().device}
