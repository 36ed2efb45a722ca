"""What of a profile decides its answers, for whoever keeps them: others must not be mixed among them."""

from importlib.metadata import version
from typing import Any

from foveal.agent.profiles import Profile
from foveal.agent.weights import fingerprint
from foveal.graphs.carriers import identities

HOW = {"device", "pools", "weights"}
"""Of a profile, what says how and from where it runs and not what it answers."""


def identity(profile: Profile) -> dict[str, Any]:
    """In JSON types; the weights by their checksums."""
    return {
        "profile": profile.model_dump(mode="json", exclude=HOW),
        "specialists": identities(profile),
        "weights": "" if profile.weights is None else fingerprint(profile.weights),
        "version": version("foveal"),
    }
