"""The answer without looking: it stands when the model is sure enough (a gate), and shows what looking was worth.

To verify an answer is to ask the same question about the same image again with the observations withheld, as if
there were no tools. Nothing else is taken away, and nothing is put in their place: a turn whose observations were
blanked would tell the model that looking failed, and the answer would change for that reason alone. An answer
that stays the same did not depend on what was seen: the first look, or what the model knew before, was enough.

Tools help where perception is hard and hurt elsewhere; the gate leaves the easy questions alone. What it asks goes
through a session of its own, so that a run which then looks is the same as without a gate.
"""

from collections.abc import Awaitable, Callable

from pydantic_core import to_jsonable_python

from foveal.agent.transcript import Asked
from foveal.graphs.budgets import Spent
from foveal.graphs.doubt import looked, unsure
from foveal.graphs.result import Direct, Faithful, Result
from foveal.graphs.sameness import normalised
from foveal.graphs.trace import Aside, DirectAnswer, Event, Purpose, Said

Tell = Callable[[Event], None]
Once = Callable[[Asked, Tell], Awaitable[Result]]
"""One way through the loop, which tells what happens."""

NO_CONFIDENCE = "the gate did not apply: this model does not say how sure it is"
UNVERIFIED = "there was nothing to verify: no answer rests on an observation"


async def answered(
    asked: Asked, once: Once, tell: Tell, gate: float | None = None, verify: bool = False
) -> Result:
    """The result of a run: maybe without looking, maybe compared with the answer without looking."""
    direct = None
    if gate is not None and asked.tools:
        direct = await _without_looking(asked, once, tell, "gate", gate)
        if _sure(direct, gate):
            gated = direct.model_copy(update={"ended_by": "gate", "direct": _kept(direct)})
            return _noted(gated, UNVERIFIED) if verify else gated
    result = await once(asked, tell)
    if direct is not None and direct.answer and direct.confidence is None:
        result = _noted(result, NO_CONFIDENCE)
    if verify and not _seen(result):
        result = _noted(result, UNVERIFIED)
    elif verify:
        direct = direct or await _without_looking(asked, once, tell, "verify")
        result = result.model_copy(update={"faithful": _compared(result, direct)})
    return result if direct is None else _charged(result, direct)


async def _without_looking(
    asked: Asked, once: Once, tell: Tell, purpose: Purpose, gate: float | None = None
) -> Result:
    """One way through the loop without tools, told as one event."""
    tell(Aside(purpose=purpose))
    heard: list[Event] = []
    result = await once(asked.model_copy(update={"tools": ()}), heard.append)
    stands = gate is not None and _sure(result, gate)
    if stands:  # nothing was said so far: it could have been in vain
        tell(Said(turn=1, text=result.answer))
    thoughts = tuple(event for event in heard if event.kind == "thought")
    tell(DirectAnswer(purpose=purpose, stands=stands, direct=_kept(result), thoughts=thoughts))
    return result


def _sure(direct: Result, gate: float) -> bool:
    """Whether an answer without looking is enough."""
    if unsure(direct.answer) or direct.confidence is None:
        return False
    return direct.confidence >= gate


def _kept(direct: Result) -> Direct:
    return Direct(
        answer=direct.answer,
        confidence=direct.confidence,
        value=direct.value,
        usage=direct.usage,
    )


def _seen(result: Result) -> bool:
    """Whether there is an answer, and anything was seen before it."""
    return bool(result.answer) and looked(result)


def _compared(result: Result, direct: Result) -> Faithful:
    return Faithful(
        depends=not _same(result, direct),
        answer=result.answer,
        confidence=result.confidence,
        without=direct.answer,
        confidence_without=direct.confidence,
    )


def _same(one: Result, other: Result) -> bool:
    if one.value is not None:
        return bool(to_jsonable_python(one.value) == to_jsonable_python(other.value))
    return (normalised(one.answer) or one.answer) == (normalised(other.answer) or other.answer)


def _noted(result: Result, note: str) -> Result:
    return result.model_copy(update={"notes": (*result.notes, note)})


def _charged(result: Result, direct: Result) -> Result:
    """The result, with what the answer without looking has cost."""
    seconds = max(result.seconds, direct.seconds)  # of one clock
    usage = _sum(result.usage, direct.usage).model_copy(update={"seconds": seconds})
    return result.model_copy(update={"direct": _kept(direct), "usage": usage, "seconds": seconds})


def _sum(one: Spent, other: Spent) -> Spent:
    """All tokens of both; what a budget counts besides is the run's own."""
    return one.model_copy(
        update={
            "prefilled": one.prefilled + other.prefilled,
            "emitted": one.emitted + other.emitted,
            "cached": one.cached + other.cached,
            "afresh": one.afresh + other.afresh,
        }
    )
