"""When an answer is no claim: it leaves the question open, or the model says that it may be wrong."""

from foveal.agent.observations import Failed
from foveal.graphs.result import Result
from foveal.graphs.sameness import normalised

LOW = 0.5
"""An answer of lower confidence comes with a note."""

DOUBTS = frozenset(
    (
        "unknown",
        "unclear",
        "not sure",
        "i do not know",
        "i don t know",
        "cannot tell",
        "i cannot tell",
    )
)
"""Answers, as `normalised` has them, that leave the question open; to be sure of them is a reason to look."""


def unsure(answer: str) -> bool:
    """Whether an answer leaves the question open."""
    return not answer or normalised(answer) in DOUBTS


def confident(result: Result) -> bool:
    """Whether an answer is a claim that the user is not warned of."""
    sure = result.confidence is None or result.confidence >= LOW
    return sure and not unsure(result.answer)


def looked(result: Result) -> bool:
    """Whether anything came back before the answer."""
    return any(not isinstance(hop.observation, Failed) for hop in result.hops)
