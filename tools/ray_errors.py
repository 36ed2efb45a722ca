"""What Ray's errors mean for a request, for an actor, and in words that the model or the user may read."""

from typing import Literal

from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.tools.dispatch import described
from foveal.tools.ray_keeper import Fate

Loss = Literal["gone", "away", "object"]
"""The actor is gone for good; it may come back; an array was lost on its way. All may be tried again."""


def loss(error: BaseException) -> Loss | None:
    """Why a request got no answer, if it may get one elsewhere."""
    from ray import exceptions

    if isinstance(error, exceptions.ObjectLostError):
        return "object"
    if isinstance(error, exceptions.ActorDiedError):
        return "gone"
    passing = (
        exceptions.RayActorError,
        exceptions.NodeDiedError,
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.LocalRayletDiedError,
    )
    return "away" if isinstance(error, passing) else None


def fate(error: BaseException) -> Fate:
    """What a failed probe says about its actor."""
    return "gone" if loss(error) == "gone" else "away"


def ours(name: str, error: BaseException) -> FovealError:
    """The error to raise instead of Ray's."""
    from ray import exceptions

    if getattr(error, "actor_init_failed", False):
        problem = f"{name} cannot be started on the cluster ({_last_line(error)})"
        return SetupError(problem, "install the same foveal on every node")
    if isinstance(error, exceptions.OutOfMemoryError):
        return SpecialistError(name, "it ran out of memory")
    if loss(error) in {"gone", "away"}:
        return SpecialistError(name, "its process died")
    return SpecialistError(name, described(error))


def _last_line(error: BaseException) -> str:
    """Of a remote traceback: the exception itself."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
