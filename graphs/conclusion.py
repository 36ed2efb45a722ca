"""From the final state to the Result: the answer, or why there is none."""

from collections.abc import Iterator
from typing import Any

from foveal.agent.transcript import Acted, Asked, Noted
from foveal.graphs.context import Context
from foveal.graphs.doubt import LOW, unsure
from foveal.graphs.evidence import evidence, notes, recalled
from foveal.graphs.plan import perceptions
from foveal.graphs.result import Result
from foveal.graphs.schema import Misfit
from foveal.graphs.state import Entry, State, exchange, last_turn

ONE_FIELD = "this model writes no JSON, and its answer can only fill a schema with one field"

ELSEWHERE = ("vpt-2b-free", "openai")
"""Profiles that know more of the world than small embedded weights."""


def concluded(state: State, context: Context) -> Result:
    """The run's result."""
    entries, hops = exchange(state), state.get("hops", [])
    turn, seconds = _spoken(entries, context), context.elapsed()
    answer, trouble = _answer(turn)
    confidence = turn.confidence if answer else 0.0
    missing = tuple(notes(hops, context.profile))
    doubt = _doubt(answer, confidence, context, bool(missing)) if answer else ()
    value, misfit = _value(answer, context)
    return Result(
        answer=answer,
        confidence=confidence,
        hops=tuple(hops),
        evidence=(*recalled(hops, state.get("past", [])), *evidence(hops)),
        ended_by=state["over"] or "answer",
        usage=state["spent"].model_copy(update={"seconds": seconds}),
        seconds=seconds,
        trace=context.trace,
        notes=(
            *_malformed(entries),
            *missing,
            *trouble,
            *misfit,
            *doubt,
            *_afresh(state["spent"].afresh),
        ),
        run=state["run"],
        image=state["asked"].image,
        images=_hashes(state["asked"]),
        value=value,
        fork=state.get("fork"),
    )


def _hashes(asked: Asked) -> tuple[str, ...]:
    return tuple(one.image for one in asked.images) if asked.more else ()


def answer_of(turn: Acted) -> str:
    """What a turn answers; empty when it does not."""
    if perceptions(turn):
        return ""
    return " ".join(action.text for action in turn.actions if action.kind == "answer").strip()


def _value(answer: str, context: Context) -> tuple[Any, tuple[str, ...]]:
    """The answer as the schema has it, or nothing and why it does not fit."""
    if context.schema is None or not answer:
        return None, ()
    try:
        return context.schema.fitted(answer), ()
    except Misfit as misfit:
        told = f"the answer does not fit the schema: {misfit}"
        return None, (told if context.sessions.instructed else f"{told}; {ONE_FIELD}",)


def _doubt(
    answer: str, confidence: float | None, context: Context, explained: bool
) -> tuple[str, ...]:
    """Said when the model itself is unsure, which it is of pictures unlike those it was trained on.

    An open answer that is `explained` by another note needs no second one.
    """
    low = confidence is not None and confidence < LOW
    if not context.domain or not (low or (unsure(answer) and not explained)):
        return ()
    how = "no answer found" if unsure(answer) else f"low confidence ({confidence:.2f})"
    others = ", ".join(name for name in ELSEWHERE if name != context.profile)
    return (
        f"{how}; profile {context.profile!r} was trained for {context.domain}; for anything else use "
        f"another profile ({others}) or a chat model (--model)",
    )


def _afresh(turns: int) -> tuple[str, ...]:
    """Said when a run was slower than it need be, and why."""
    if not turns:
        return ()
    count = "a turn" if turns == 1 else f"{turns} turns"
    return (
        f"before {count} the whole conversation was computed again: the model's chat template rewrites the past, "
        "or its family is not one whose cache can be continued",
    )


def _spoken(entries: list[Entry], context: Context) -> Acted:
    """The turn that answers: the last, or the one before a repair that came to nothing."""
    last = last_turn(entries)
    if context.schema is None or answer_of(last):
        return last
    said = [entry for entry in entries if isinstance(entry, Acted) and answer_of(entry)]
    return said[-1] if said else last


def _answer(turn: Acted) -> tuple[str, tuple[str, ...]]:
    """The answer's text and no trouble, or nothing and what the trouble was."""
    if not turn.actions:
        return "", ("no answer: the last turn could not be read",)
    if perceptions(turn):
        return "", ("no answer: the model asked for another action in its last turn",)
    text = answer_of(turn)
    return (text, ()) if text else ("", ("no answer: the model's last turn was empty",))


def _malformed(entries: list[Entry]) -> Iterator[str]:
    """One note per turn that could not be read; the note after it told the model why."""
    turn = 0
    for entry, after in zip(entries, [*entries[1:], None], strict=True):
        if isinstance(entry, Acted):
            turn += 1
            if not entry.actions and isinstance(after, Noted):
                yield f"turn {turn} could not be read: {after.text}"
