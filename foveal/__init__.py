"""An agent that looks again before it answers.

    from foveal import Agent

    with Agent() as agent:
        print(agent.ask("photo.jpg", "What is written on the bus?").answer)

Names are imported when they are first used, so that `import foveal` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foveal.agent.errors import (
        ActionError,
        FovealError,
        InputError,
        SetupError,
        SpecialistError,
    )
    from foveal.graphs.agent import Agent, ask
    from foveal.graphs.approval import ApprovalNeeded, Decision
    from foveal.graphs.budgets import Budgets
    from foveal.graphs.conversation import Conversation
    from foveal.graphs.many import Outcome
    from foveal.graphs.result import Result
    from foveal.graphs.stream import Stream

_HOMES = {
    "ActionError": "foveal.agent.errors",
    "Agent": "foveal.graphs.agent",
    "ApprovalNeeded": "foveal.graphs.approval",
    "Budgets": "foveal.graphs.budgets",
    "Conversation": "foveal.graphs.conversation",
    "Decision": "foveal.graphs.approval",
    "FovealError": "foveal.agent.errors",
    "InputError": "foveal.agent.errors",
    "Outcome": "foveal.graphs.many",
    "Result": "foveal.graphs.result",
    "SetupError": "foveal.agent.errors",
    "SpecialistError": "foveal.agent.errors",
    "Stream": "foveal.graphs.stream",
    "ask": "foveal.graphs.agent",
}

__all__ = [
    "ActionError",
    "Agent",
    "ApprovalNeeded",
    "Budgets",
    "Conversation",
    "Decision",
    "FovealError",
    "InputError",
    "Outcome",
    "Result",
    "SetupError",
    "SpecialistError",
    "Stream",
    "ask",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(
            f"module 'foveal' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
