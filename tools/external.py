"""Specialists of other packages: found by their entry points, told apart, and made where they are to live.

Finding one imports nothing. Its code is loaded when a profile has chosen it, by name, and not before.
"""

import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from foveal.agent.errors import FovealError, SetupError
from foveal.agent.specialists import GROUP, KINDS, Chosen, Place
from foveal.agent.weights import digest
from foveal.tools.base import Specialist
from foveal.tools.catalogue import Factory
from foveal.tools.checked import Checked
from foveal.tools.dispatch import described

ELSE = "or choose another in the profile's [specialists]"


@dataclass(frozen=True)
class Offer:
    """One specialist that an installed package offers."""

    name: str
    entry: EntryPoint

    @property
    def package(self) -> str:
        """The package that offers it."""
        return self.entry.dist.name if self.entry.dist else "?"

    @property
    def version(self) -> str:
        """That package's version."""
        return self.entry.dist.version if self.entry.dist else "?"

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def offers() -> list[Offer]:
    """Every specialist that an installed package offers, by name. Nothing is imported."""
    found = [Offer(entry.name, entry) for entry in entry_points(group=GROUP)]
    return sorted(found, key=lambda offer: (offer.name, offer.package))


def offer_of(chosen: Chosen) -> Offer:
    """The one that is meant. Raises SetupError when there is none, or more than one."""
    package, _, name = chosen.use.rpartition(":")
    known = offers()
    fit = [offer for offer in known if offer.name == name and package in ("", offer.package)]
    if len(fit) == 1:
        return fit[0]
    if fit:
        problem = f"specialist {name!r} is offered by {' and by '.join(map(str, fit))}"
        raise SetupError(problem, f"say whose is meant: {fit[0].package}:{name}, for example")
    listed = ", ".join(f"{offer.name} ({offer})" for offer in known) or "none"
    problem = f"no installed package offers a specialist {chosen.use!r}; offered: {listed}"
    raise SetupError(problem, "install the package that does, or correct the name")


def identity(chosen: Chosen) -> str:
    """Of all that decides what it answers: package, version, code and options."""
    offer = offer_of(chosen)
    options = json.dumps(chosen.options, sort_keys=True, default=str)
    return f"{offer} {offer.entry.value} {_content(offer.entry)} {options}"


def factory(place: Place, chosen: Chosen, device: str, draws: bool) -> Factory:
    """What makes it, in whatever process. Raises SetupError when it is not installed here.

    `draws` is whether the model is to see the pictures that it draws.
    """
    return partial(make, place, chosen, device, draws, identity(chosen))


def make(place: Place, chosen: Chosen, device: str, draws: bool, expected: str) -> Specialist:
    """Import it and make one. Raises SetupError naming the package when that cannot be done."""
    offer = offer_of(chosen)
    if identity(chosen) != expected:
        problem = f"{platform.node()} has another {offer.package} than the driver, which asked for"
        raise SetupError(
            f"{problem} {' '.join(expected.split()[:2])}", "install the same one on every node"
        )
    made = _made(offer, chosen, device)
    _check(place, offer, made)
    return Checked(place, str(offer), made, draws)


def _made(offer: Offer, chosen: Chosen, device: str) -> Any:
    told = f"specialist {offer.name!r} of {offer}"
    try:
        maker = offer.entry.load()
    except Exception as error:  # whatever its import raises
        cure = f"mend or reinstall {offer.package}, {ELSE}"
        raise SetupError(f"{told} cannot be imported ({described(error)})", cure) from error
    try:
        return maker(device=device, **chosen.options)
    except FovealError:
        raise
    except Exception as error:
        cure = f"check its options, see the documentation of {offer.package}, {ELSE}"
        raise SetupError(f"{told} cannot be made ({described(error)})", cure) from error


def _check(place: Place, offer: Offer, made: Any) -> None:
    """That it is a specialist, and one for this place."""
    told, kind = f"specialist {offer.name!r} of {offer}", KINDS[place]
    missing = [name for name in ("warm_up", "run") if not callable(getattr(made, name, None))]
    if missing:
        problem = f"{told} is no specialist: its {type(made).__name__} has no {missing[0]}()"
        raise SetupError(problem, f"ask its author, {ELSE}")
    kinds = getattr(made, "answers", ())
    if isinstance(kinds, str) or kind not in kinds:
        declared = repr(kinds) if kinds else "nothing"
        problem = f"{told} cannot be the {place}: it declares to answer {declared}, not {kind!r}"
        raise SetupError(problem, f"name it elsewhere, {ELSE}")


def _content(entry: EntryPoint) -> str:
    """SHA-256 of the code: as its package lists it, else of the sources where they lie."""
    listed = list(_listed(entry)) or list(_sources(entry.module.partition(".")[0]))
    return hashlib.sha256("\n".join(sorted(listed)).encode()).hexdigest()[:16]


def _listed(entry: EntryPoint) -> Iterator[str]:
    """Files with their digests, as pip noted them; nothing where the sources may change without it."""
    dist = entry.dist
    if dist is None or '"editable": true' in (dist.read_text("direct_url.json") or ""):
        return
    for row in (dist.read_text("RECORD") or "").splitlines():
        if ",sha256=" in row and ".dist-info/" not in row:
            yield row


def _sources(module: str) -> Iterator[str]:
    """The files of a top-level module with their digests, found without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*.py")):
            yield f"{path.relative_to(folder)},{digest(path)}"
    if spec and spec.submodule_search_locations is None and spec.origin:
        yield f"{Path(spec.origin).name},{digest(Path(spec.origin))}"
