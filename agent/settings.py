"""Every setting that comes from the environment or from the user's file; read here and nowhere else."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from foveal.agent.errors import InputError

PREFIX = "FOVEAL_"
FILE = "FOVEAL_CONFIG"
"""The variable that names the user's file, where it is not in its usual place; /dev/null for none."""
SECRETS = frozenset({"api_key", "token", "checkpoint"})
"""Settings that are never shown, and never handed to another process on its command line or in its job."""
ELSEWHERE = {"api_key": "OPENAI_API_KEY"}
"""Variables of others that count where ours is not set."""
DEFAULT = "default"
"""Where a setting comes from that nobody has made."""


class Settings(BaseModel):
    """Defaults that the machine's owner may change; an explicit argument always wins over them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = "embedded"
    """FOVEAL_PROFILE: the profile used when none is named."""
    device: str = "cpu"
    """FOVEAL_DEVICE: where networks run, as torch spells it: cpu, cuda, cuda:1, mps."""
    specialists: str = ""
    """FOVEAL_SPECIALISTS: specialists of other packages for profiles that choose none: detector=mine."""
    weights: Path | None = None
    """FOVEAL_WEIGHTS: a folder to use instead of the embedded weights."""
    cache: Path | None = None
    """FOVEAL_CACHE: a folder for downloaded models, instead of the Hugging Face cache."""
    max_pixels: int = Field(default=100_000_000, gt=0)
    """FOVEAL_MAX_PIXELS: the largest image that is decoded, in pixels."""
    allow_private_urls: bool = False
    """FOVEAL_ALLOW_PRIVATE_URLS: whether images may be fetched from private address ranges."""
    base_url: str = ""
    """FOVEAL_BASE_URL: the OpenAI-compatible server of the profile `openai`, as http://localhost:8000/v1."""
    api_key: SecretStr | None = None
    """FOVEAL_API_KEY, or else OPENAI_API_KEY: the key for that server."""
    checkpoint: SecretStr | None = None
    """FOVEAL_CHECKPOINT: where the command line keeps runs: sqlite:PATH, or postgres:URL with its password."""
    token: SecretStr | None = None
    """FOVEAL_TOKEN: what clients of a server started here have to send."""


@dataclass(frozen=True)
class Sourced:
    """The settings, and where each of them comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """By setting: a variable, the path of the user's file, or DEFAULT."""
    file: Path | None
    """Where the user's file is, or would be."""
    strays: tuple[str, ...]
    """Variables that look like ours and are none: mistyped, or of another version."""


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process: of the environment, else of the user's file, else the defaults.

    An empty variable counts as unset. Raises InputError naming what cannot be used, and where it stands.
    """
    return sourced(environment).settings


def sourced(environment: Mapping[str, str] | None = None) -> Sourced:
    """The settings with their origins. An environment that is given stands alone but for a file that it names."""
    source = os.environ if environment is None else environment
    file = _file(source, usual=environment is None)
    origins = dict.fromkeys(Settings.model_fields, DEFAULT)
    values: dict[str, Any] = {}
    for name, value in (_read(file, named=bool(source.get(FILE))) if file else {}).items():
        values[name], origins[name] = value, str(file)
    for name in Settings.model_fields:
        variable = _variable(name, source)
        if source.get(variable):
            values[name], origins[name] = source[variable], variable
    ours = {FILE, *(PREFIX + name.upper() for name in Settings.model_fields)}
    strays = sorted(name for name in source if name.startswith(PREFIX) and name not in ours)
    return Sourced(_validated(values, origins), origins, file, tuple(strays))


def exported(given: Settings) -> dict[str, str]:
    """The variables that give another process these settings, but for secrets: those its machine must have."""
    values = given.model_dump(exclude_defaults=True, exclude=set(SECRETS))
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}


def _variable(name: str, source: Mapping[str, str]) -> str:
    """Where a setting comes from: our variable, or another's where ours is not set."""
    ours, other = PREFIX + name.upper(), ELSEWHERE.get(name, "")
    return other if not source.get(ours) and source.get(other) else ours


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        told = "..." if name in SECRETS else repr(first["input"])
        origin = origins[name]
        written = f"{origin}={told}" if origin.isidentifier() else f"{name} = {told} in {origin}"
        raise InputError(f"{written} cannot be used: {first['msg']}") from None


def _file(source: Mapping[str, str], usual: bool) -> Path | None:
    if source.get(FILE):
        return Path(source[FILE]).expanduser()
    if not usual:
        return None
    from platformdirs import user_config_path

    return user_config_path("foveal", appauthor=False) / "config.toml"


def _read(file: Path, named: bool) -> dict[str, Any]:
    """What the user's file sets; nothing where there is none, unless it was named."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise InputError(f"{FILE} names {str(file)!r}, which does not exist") from None
        return {}
    except OSError as error:
        raise InputError(f"the settings in {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not valid TOML: {error}") from None
    for name in values:
        if name not in Settings.model_fields:
            near = get_close_matches(name, Settings.model_fields, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"known: {_names()}"
            raise InputError(f"{file} sets {name!r}, which is no setting; {meant}")
    return {name: _placed(name, value, file.parent) for name, value in values.items()}


def _placed(name: str, value: Any, folder: Path) -> Any:
    """Paths in the file count from its folder, as those in a profile do."""
    is_path = name in ("weights", "cache") or str(value).endswith(".toml")
    return str(folder / Path(value).expanduser()) if is_path and isinstance(value, str) else value


def _names() -> str:
    return ", ".join(Settings.model_fields)
