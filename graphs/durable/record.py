"""What a fresh process has to know to go on with a run; kept as JSON before the run's first step."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.profiles import BUILT_IN, Profile, load
from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Budgets
from foveal.graphs.result import Fork
from foveal.tools.images import Taken


class Chosen(BaseModel):
    """A profile: a built-in one and what differs from it, or, without a name, all of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    settings: dict[str, Any] = {}

    @classmethod
    def of(cls, profile: Profile) -> "Chosen":
        """How the profile can be had again: what was only fetched is fetched again."""
        if profile.repository:
            profile = profile.model_copy(update={"weights": None})
        values = profile.model_dump(mode="json")
        if profile.name not in BUILT_IN:
            return cls(settings=values)
        usual = load(profile.name).model_dump(mode="json")
        differing = {key: value for key, value in values.items() if value != usual[key]}
        return cls(name=profile.name, settings=differing)

    @property
    def called(self) -> str:
        """The profile's name."""
        return self.name or str(self.settings.get("name", ""))

    def profile(self) -> Profile:
        """The profile."""
        usual = load(self.name).model_dump(mode="json") if self.name else {}
        return Profile.model_validate(usual | self.settings)


class Record(BaseModel):
    """One run's settings, complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    began: datetime
    asked: Asked
    """The question, the content hashes of its images, the tools and the schema."""
    sources: tuple[str | None, ...]
    """Where each image comes from: a path, or a URL; None for what was piped in or given as pixels."""
    profile: Chosen
    budgets: Budgets
    gate: float | None = None
    verify: bool = False
    approve: tuple[PerceptionKind, ...] = ()
    """The actions that a person is asked about."""
    trace: str | None = None
    """The trace file."""
    fork: Fork | None = None
    version: str
    """Of the package that began it."""


def record_of(text: str) -> Record:
    """From JSON. Raises InputError when it was not written by this version, or one like it."""
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"a run kept there cannot be read ({where}: {first['msg']}); "
            "use the version of foveal that began it"
        ) from None


def source_of(given: object) -> str | None:
    """Where an image can be had again: its absolute path, or its URL."""
    if isinstance(given, Taken):
        return source_of(given.source)
    if not isinstance(given, str | Path) or given == "-":
        return None
    text = str(given)
    if text.startswith("data:"):
        return None
    return text if "://" in text else str(Path(text).absolute())


def must_agree(record: Record, hashes: Sequence[str], shown: Mapping[int, str]) -> None:
    """Raise InputError unless the images are those of the run; `shown` are their sources by position."""
    for position, (wanted, found) in enumerate(
        zip((one.image for one in record.asked.images), hashes, strict=True)
    ):
        if wanted != found:
            raise InputError(
                f"{shown.get(position, 'the image')} is not the image of run {record.run} (its pixels differ); "
                "put the old file back, or name a copy of it with --image"
            )
