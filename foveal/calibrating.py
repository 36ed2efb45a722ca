"""`agent train calibration`: how often the embedded model is right at each confidence, kept beside its weights."""

import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.agent.errors import InputError
from foveal.agent.native.calibration import CALIBRATION, Calibration
from foveal.agent.native.trust import Trust
from foveal.agent.profiles import Profile
from foveal.agent.weights import SUMS
from foveal.evals.calibration import Said, fitted, gap, said
from foveal.evals.kept import Kept
from foveal.evals.runner import Listeners, Plan, evaluate
from foveal.graphs.agent import Agent
from foveal.graphs.backends import model_of
from foveal.graphs.ledger import replace_text
from foveal.identity import identity
from foveal.terminal import waiting

ASKED = "asked"
"""The folder below --out that keeps the questions."""


@dataclass(frozen=True)
class Order:
    """What was typed."""

    profile: Profile
    out: Path
    limit: int = 600
    seed: int = 0


def calibrate(order: Order) -> int:
    """Ask about scenes of the split val, and write the map from its confidences to the shares that are right."""
    claims = _claims(order)
    if not len(claims):
        raise InputError(f"none of {order.limit} answers claims anything; raise --limit")
    made = fitted(claims)
    path = order.out / CALIBRATION
    replace_text(path, made.model_dump_json() + "\n")
    before, after = gap(claims), gap(_mapped(claims, made))
    folder = shlex.quote(str(order.profile.folder))
    sys.stdout.write(
        f"{path}: expected calibration error {before:.3f} before and {after:.3f} after, "
        f"on the {len(claims)} answers it was made from\n"
        f"to use it: cp {shlex.quote(str(path))} {folder}/ && (cd {folder} && "
        f"sed -i '/ {CALIBRATION}$/d' {SUMS} && sha256sum {CALIBRATION} >> {SUMS})\n"
    )
    return 0


def _claims(order: Order) -> Said:
    """What the uncalibrated model claims, whatever lies beside its weights."""
    profile, plan = order.profile, Plan(order.limit, order.seed, "val")
    if profile.backend != "native" or profile.weights is None:
        raise InputError(f"profile {profile.name!r} has no weights here to calibrate")
    with ExitStack() as stack:
        decides = plan.setting(profile).model_dump(mode="json") | identity(profile)
        kept = stack.enter_context(Kept(order.out / ASKED, decides))
        model: Any = model_of(profile)
        model.trust = Trust()
        agent = stack.enter_context(Agent(profile, model=model))
        say = stack.enter_context(waiting("calibrating"))
        heard = Listeners(
            on_progress=lambda row: say(f"calibrating: {len(kept.rows)} of {order.limit} asked")
        )
        evaluate(agent, plan, kept, heard)
        return said(kept.rows[: order.limit])


def _mapped(claims: Said, made: Calibration) -> Said:
    return claims.told([
        made.of(float(x), bool(seen))
        for x, seen in zip(claims.confidence, claims.seen, strict=True)
    ])  # fmt: skip
