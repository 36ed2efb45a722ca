"""Every setting that comes from the environment; read here and nowhere else."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foveal.agent.errors import InputError

PREFIX = "FOVEAL_"


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


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; an empty variable counts as unset.

    Raises InputError naming a variable that cannot be used.
    """
    source = os.environ if environment is None else environment
    values = {
        name: source[PREFIX + name.upper()]
        for name in Settings.model_fields
        if source.get(PREFIX + name.upper())
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise InputError(f"{name}={first['input']!r} cannot be used: {first['msg']}") from None


def exported(given: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""
    values = given.model_dump(exclude_defaults=True)
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}
