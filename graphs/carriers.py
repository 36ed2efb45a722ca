"""Which dispatcher a profile's specialists get: in this process, on a Ray of our own, or on a shared cluster."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version

from foveal.agent.pools import Pool
from foveal.agent.profiles import Profile
from foveal.agent.specialists import KINDS, Chosen, Place
from foveal.agent.weights import fingerprint
from foveal.tools.base import Dispatcher
from foveal.tools.catalogue import ENCODER, Crew
from foveal.tools.external import factory, identity
from foveal.tools.store import ImageStore


def carrier(
    profile: Profile, store: ImageStore, ray: str | bool | None, pools: Mapping[str, Pool]
) -> Dispatcher:
    """For an address: pools shared with every driver of the same weights. For True: a Ray started here."""
    if not ray:
        from foveal.tools.dispatch import InlineDispatcher

        return InlineDispatcher(store, crew(profile, {}))
    from foveal.tools.ray_dispatch import RayDispatcher

    address = None if ray is True else ray
    shared = (profile.name, digest(profile)) if address else None
    return RayDispatcher(store, crew(profile, pools), address, pools, shared=shared)


def crew(profile: Profile, pools: Mapping[str, Pool]) -> Crew:
    """The profile's specialists; those whose pool reserves a GPU compute on the one that they are given."""
    from foveal.tools.catalogue import crew_of, embedded

    # Where the model is elsewhere, the folder need hold nothing but specialists.
    listed = crew_of if profile.backend == "native" else embedded
    here = listed(profile.folder, profile.device, profile.drawn)
    on_gpu = listed(profile.folder, "cuda", profile.drawn)
    own = {
        name: on_gpu[name] if name in pools and pools[name].num_gpus else made
        for name, made in here.items()
        if profile.backend == "native" or name != ENCODER  # the others take pictures, not tokens
    }
    return {**own, **_external(profile, pools)}


def _external(profile: Profile, pools: Mapping[str, Pool]) -> Crew:
    """Those of other packages that the profile has chosen."""
    return {
        place: factory(
            place,
            chosen,
            "cuda" if place in pools and pools[place].num_gpus else profile.device,
            KINDS[place] in profile.drawn,
        )
        for place, chosen in _asked(profile)
    }


def _asked(profile: Profile) -> list[tuple[Place, Chosen]]:
    """Those of other packages that the model can ask: what the settings prefer may be for other profiles."""
    choices = sorted(profile.specialists.items())
    return [(place, chosen) for place, chosen in choices if KINDS[place] in profile.tools]


def digest(profile: Profile) -> str:
    """Of everything that decides what the profile's specialists answer: only equals may share a pool."""
    parts = [fingerprint(profile.folder), *profile.drawn, version("foveal")]
    parts += (f"{place}={name}" for place, name in identities(profile).items())
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def identities(profile: Profile) -> dict[str, str]:
    """By place, which package, version, code and options answer in the profile's own specialist's stead."""
    return {place: identity(chosen) for place, chosen in _asked(profile)}
