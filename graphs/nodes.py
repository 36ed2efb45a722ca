"""The nodes in which the model speaks, and the end. State in, update out; the rest comes by `runtime.context`."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from langgraph.runtime import Runtime

from foveal.agent.actions import sound
from foveal.agent.errors import ActionError
from foveal.agent.model import Session, Structured
from foveal.agent.structured import told
from foveal.agent.transcript import Acted, Noted
from foveal.graphs.budgets import BudgetName, Spent, exhausted, visual_tokens
from foveal.graphs.conclusion import answer_of, concluded
from foveal.graphs.context import Context
from foveal.graphs.plan import perceptions
from foveal.graphs.schema import Misfit
from foveal.graphs.sessions import Live
from foveal.graphs.state import Entry, State, Update, in_vain, since_turn, transcript, turns
from foveal.graphs.trace import Said, Thought, Told

LAST_CALL = Noted(text="Now answer the question.")
"""What the model is told when a budget is used up."""
EMPTY = "the turn was empty; answer the question"
"""What is wrong with a turn that says nothing."""

Hear = Callable[[str], None]


@dataclass(frozen=True)
class Prompt:
    """How a turn of the model is had."""

    notes: tuple[Noted, ...]
    """What it is told before."""
    act: Callable[[Session, Hear], Awaitable[Acted]]
    over: BudgetName | None
    """The budget that is used up."""
    last: bool
    """Whether nothing comes after it."""


async def think(state: State, runtime: Runtime[Context]) -> Update:
    """One turn of the model: the last one, without actions, if a budget is used up."""
    budgets, spent = state["budgets"], _so_far(state, runtime.context)
    over = exhausted(budgets, spent, in_vain(state))
    tools = () if over else state["asked"].tools
    allowance = budgets.answer_tokens if over else budgets.new_tokens - spent.emitted
    prompt = Prompt(
        (LAST_CALL,) if over else (),
        lambda session, hear: session.act(tools, allowance, hear),
        over,
        last=over is not None,
    )
    return await _turn(state, spent, prompt, runtime.context)


async def repair(state: State, runtime: Runtime[Context]) -> Update:
    """One turn more, after an answer that does not fit the schema; the model is held to it where it can be."""
    schema, allowance = runtime.context.schema, state["budgets"].answer_tokens
    assert schema is not None
    misfit = f"the answer does not fit the schema: {state['misfit']}"
    note = Noted(text=f"{misfit}\n{told(schema.text)}", error=True)

    def act(session: Session, hear: Hear) -> Awaitable[Acted]:
        if isinstance(session, Structured):
            return session.fill(schema.json, allowance, hear)
        return session.act((), allowance, hear)

    prompt = Prompt((note,), act, state["over"], last=True)
    return await _turn(state, _so_far(state, runtime.context), prompt, runtime.context)


async def conclude(state: State, runtime: Runtime[Context]) -> Update:
    """The result, from what the state holds."""
    return Update(result=concluded(state, runtime.context))


async def _turn(state: State, spent: Spent, prompt: Prompt, context: Context) -> Update:
    """Have one turn, tell what it was, and tell the model what was wrong with it."""
    number = turns(transcript(state)) + 1
    notes = _told(prompt.notes, context)
    live = await context.sessions.at(state["run"], [*transcript(state), *notes])
    acted, error = await _said(live, prompt, number, context)
    hop = not prompt.last and (error is not None or bool(perceptions(acted)))
    after = live.charged(spent, hop)
    cut_off = not prompt.last and after.emitted >= state["budgets"].new_tokens
    misfit = None if hop or cut_off else _misfit(acted, context)
    wrong = error is not None or misfit is not None
    after = after.model_copy(update={"errors": spent.errors + wrong})
    context.emit(
        Thought(
            turn=number,
            acted=acted,
            error=error,
            forced=prompt.over,
            misfit=misfit,
            spent=after,
            seconds=context.elapsed() - spent.seconds,
        )
    )
    correction = _told([Noted(text=error, error=True)] if error is not None else [], context)
    items: list[Entry] = [*notes, acted, *correction]
    mendable = misfit if context.sessions.instructed else None
    return Update(items=items, spent=after, over=prompt.over, misfit=mendable)


def _so_far(state: State, context: Context) -> Spent:
    """The run's totals now, with the visual tokens that the model is about to be shown."""
    spent = state.get("spent", Spent())
    visual = spent.visual + visual_tokens(since_turn(transcript(state)))
    return spent.model_copy(update={"visual": visual, "seconds": context.elapsed()})


def _told(notes: Iterable[Noted], context: Context) -> list[Noted]:
    told = list(notes)
    for note in told:
        context.emit(Told(noted=note))
    return told


async def _said(
    live: Live, prompt: Prompt, turn: int, context: Context
) -> tuple[Acted, str | None]:
    """The session's next turn; one that cannot be read keeps its text and comes with the reason."""
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        context.emit(Said(turn=turn, text=sound(text)))

    try:
        acted, error = await prompt.act(live.session, hear), None
    except ActionError as malformed:
        acted, error = Acted(text="".join(said)), sound(str(malformed))
    live.heard += 1
    if error is None and not (prompt.last or perceptions(acted) or answer_of(acted)):
        return acted.model_copy(update={"actions": ()}), EMPTY
    return acted, error


def _misfit(acted: Acted, context: Context) -> str | None:
    """Why an answer does not fit the schema, if there is one and it does not."""
    if context.schema is None:
        return None
    try:
        context.schema.fitted(answer_of(acted))
    except Misfit as misfit:
        return str(misfit)
    return None
