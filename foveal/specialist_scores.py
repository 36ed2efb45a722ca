"""`agent eval specialists`: what the detector, the segmenter and the depth estimator are worth by themselves."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from foveal.agent.profiles import Profile
from foveal.evals.kept import agreed
from foveal.evals.splits import Split
from foveal.graphs.ledger import replace_text
from foveal.identity import identity
from foveal.tools.extras import needs

SCENES = 200
Numbers = Mapping[str, float]
Scores = Mapping[str, Numbers]
"""What each specialist's measures came to."""

EXTRAS = {"detector": "detector", "segmenter": "segmenter", "depth": "models"}
"""The specialists that are trained here, and what measuring them needs."""


@dataclass(frozen=True)
class Order:
    """What was typed."""

    profile: Profile
    split: Split = "test"
    scenes: int = SCENES
    out: Path | None = None
    """A folder that keeps each specialist's numbers."""


def tell(order: Order) -> int:
    """One JSON object, an entry a specialist."""
    sys.stdout.write(json.dumps(dict(measured(order)), indent=2) + "\n")
    return 0


def measured(order: Order) -> Scores:
    """The numbers, a specialist at a time."""
    if order.out is not None:
        order.out.mkdir(parents=True, exist_ok=True)
        weights = identity(order.profile)["weights"]
        agreed(order.out, {"split": order.split, "scenes": order.scenes, "weights": weights})
    return {name: _measured(name, order) for name in EXTRAS}


def _measured(name: str, order: Order) -> Numbers:
    path = None if order.out is None else order.out / f"{name}.json"
    if path is not None and path.exists():
        found: dict[str, float] = json.loads(path.read_bytes())
        return found
    with needs("models"):
        import torch  # noqa: F401
    with needs(EXTRAS[name]):
        module: Any = import_module(f"foveal.training.{name}_eval")
        numbers = {
            key: float(value)
            for key, value in module.evaluate(
                order.profile.folder, order.scenes, order.split
            ).items()
        }
    if path is not None:
        replace_text(path, json.dumps(numbers, indent=2) + "\n")
    return numbers
