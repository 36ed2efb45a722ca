"""Which dispatcher a profile's specialists get: in this process, on a Ray of our own, or on a shared cluster."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version

from foveal.agent.pools import Pool
from foveal.agent.profiles import Profile
from foveal.agent.weights import fingerprint
from foveal.tools.base import Dispatcher
from foveal.tools.catalogue import ENCODER, Crew
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
    return {
        name: on_gpu[name] if name in pools and pools[name].num_gpus else factory
        for name, factory in here.items()
        if profile.backend == "native" or name != ENCODER  # the others take pictures, not tokens
    }


def digest(profile: Profile) -> str:
    """Of everything that decides what the profile's specialists answer: only equals may share a pool."""
    parts = (fingerprint(profile.folder), *profile.drawn, version("foveal"))
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
