"""What an agent may do, as whoever makes it says so."""

from collections.abc import Iterable

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.agent.settings import Settings
from foveal.tools.images import Pixels, Source, load_image

Tools = str | Iterable[str] | None
"""Names of tools, as a list or separated by commas; "none"; or None for all that the profile has."""

ANYWHERE = ("0.0.0.0/0", "::/0")
"""Every address, private ones too."""


def loaded(image: Source, limits: Settings) -> Pixels:
    """The image's pixels, within the limits of this machine's settings."""
    networks = ANYWHERE if limits.allow_private_urls else ()
    return load_image(image, max_pixels=limits.max_pixels, allowed_networks=networks)


def checked_gate(gate: float | None) -> float | None:
    """The gate. Raises InputError for what is no probability."""
    if gate is not None and not 0 <= gate <= 1:
        raise InputError(f"a gate of {gate:g} is no probability; give 0 to 1, as 0.9")
    return gate


def chosen(tools: Tools, profile: Profile) -> tuple[PerceptionKind, ...]:
    """The profile's tools that the caller allows, in order. Raises InputError for any it does not have."""
    if tools is None:
        return profile.tools
    names = tools.split(",") if isinstance(tools, str) else list(tools)
    names = [name.strip() for name in names]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in PERCEPTIONS:
            raise InputError(f"no tool {name!r}; known: {', '.join(PERCEPTIONS)}, or none")
        if name not in profile.tools:
            has = ", ".join(profile.tools) or "none"
            raise InputError(f"profile {profile.name!r} has no tool {name!r}; it has: {has}")
    return tuple(kind for kind in PERCEPTIONS if kind in names)
