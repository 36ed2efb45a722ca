"""What a run may spend, what it has spent, and which limit is reached."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from foveal.agent.observations import Failed, Observation, Recognised
from foveal.agent.transcript import Acted, Asked, Noted, Observed

BudgetName = Literal["hops", "actions", "errors", "new_tokens", "visual_tokens", "seconds"]

Count = Annotated[int, Field(ge=0)]


class Budgets(BaseModel):
    """Limits of one run. Reaching any of them leads to one last turn, in which the model must answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hops: Count = 8
    """Turns in which the model acts or writes something malformed."""
    actions: Count = 24
    """Perception actions over all turns; repeated ones count."""
    errors: Count = 3
    """Turns in a row that bring nothing new: malformed, or with nothing but refused and repeated actions."""
    new_tokens: Count = 4096
    """Tokens the model may write before it must answer."""
    answer_tokens: Annotated[int, Field(ge=1)] = 256
    """Tokens kept back for the last turn, on top of `new_tokens`."""
    visual_tokens: Count = 16384
    """Visual tokens in context."""
    seconds: Annotated[float, Field(ge=0)] = 300.0
    """Wall-clock time; a specialist that is still busy then is no longer waited for."""


class Spent(BaseModel):
    """What a run has cost so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hops: int = 0
    """Turns in which the model acted or wrote something malformed."""
    actions: int = 0
    """Perception actions that were answered, from a specialist or from memory."""
    repeated: int = 0
    """Actions among them that had been asked before and were answered from memory."""
    errors: int = 0
    """Turns that could not be read or whose answer did not fit, and actions that were refused."""
    prefilled: int = 0
    """Tokens of context computed, each counted every time it is computed."""
    emitted: int = 0
    """Tokens decoded."""
    visual: int = 0
    """Visual tokens in context."""
    cached: int = 0
    """Tokens of context that a server had kept and did not compute again."""
    afresh: int = 0
    """Turns before which all of the context was computed again, because its cache could not be continued."""
    seconds: float = 0.0
    """Elapsed when the budgets were last looked at."""


def exhausted(budgets: Budgets, spent: Spent, in_vain: int = 0) -> BudgetName | None:
    """The first budget that is used up, in the order of the fields, or None.

    `in_vain` are the turns in a row, up to now, that brought nothing new.
    """
    used: tuple[tuple[BudgetName, float, float], ...] = (
        ("hops", spent.hops, budgets.hops),
        ("actions", spent.actions, budgets.actions),
        ("errors", in_vain, budgets.errors),
        ("new_tokens", spent.emitted, budgets.new_tokens),
        ("visual_tokens", spent.visual, budgets.visual_tokens),
        ("seconds", spent.seconds, budgets.seconds),
    )
    return next((name for name, amount, limit in used if amount >= limit), None)


def visual_tokens(items: Iterable[Asked | Acted | Observed | Noted]) -> int:
    """Visual tokens that these items bring into the context; 0 for views that no encoder has seen."""
    return sum(_count(item.observation) for item in items if isinstance(item, Observed))


def _count(observation: Observation) -> int:
    if isinstance(observation, Failed | Recognised):
        return 0
    return sum(view.tokens.count for view in observation.views if view.tokens)
