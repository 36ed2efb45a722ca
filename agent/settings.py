"""Every setting that comes from the environment; read here and nowhere else."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from foveal.agent.errors import InputError

PREFIX = "FOVEAL_"
SECRETS = frozenset({"api_key", "token"})
"""Settings that are never shown, and never handed to another process on its command line or in its job."""
ELSEWHERE = {"api_key": "OPENAI_API_KEY"}
"""Variables of others that count where ours is not set."""


class Settings(BaseModel):
    """Defaults that the machine's owner may change; an explicit argument always wins over them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = "embedded"
    """FOVEAL_PROFILE: the profile used when none is named."""
    device: str = "cpu"
    """FOVEAL_DEVICE: where networks run, as torch spells it: cpu, cuda, cuda:1, mps."""
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
    token: SecretStr | None = None
    """FOVEAL_TOKEN: what clients of a server started here have to send."""


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; an empty variable counts as unset.

    Raises InputError naming a variable that cannot be used.
    """
    source = os.environ if environment is None else environment
    variables = {name: _variable(name, source) for name in Settings.model_fields}
    values = {name: source[key] for name, key in variables.items() if source.get(key)}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise InputError(
            f"{variables[name]}={first['input']!r} cannot be used: {first['msg']}"
        ) from None


def _variable(name: str, source: Mapping[str, str]) -> str:
    """Where a setting comes from: our variable, or another's where ours is not set."""
    ours, other = PREFIX + name.upper(), ELSEWHERE.get(name, "")
    return other if not source.get(ours) and source.get(other) else ours


def exported(given: Settings) -> dict[str, str]:
    """The variables that give another process these settings, but for secrets: those its machine must have."""
    values = given.model_dump(exclude_defaults=True, exclude=set(SECRETS))
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}
