"""What happens in a run, to match on: every event that `Agent.stream` and `Conversation.stream` give.

A token is `Said`, an action `Called`, an observation `Returned`, the answer `Finished`.
"""

from foveal.graphs.trace import (
    Aside,
    Broke,
    Called,
    Decided,
    DirectAnswer,
    Event,
    Finished,
    Paused,
    Resumed,
    Returned,
    Said,
    Started,
    Thought,
    Told,
)

__all__ = [
    "Aside",
    "Broke",
    "Called",
    "Decided",
    "DirectAnswer",
    "Event",
    "Finished",
    "Paused",
    "Resumed",
    "Returned",
    "Said",
    "Started",
    "Thought",
    "Told",
]
