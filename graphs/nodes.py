"""The loop's nodes: state in, update out; dependencies come through `runtime.context`."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import ActionError, SpecialistError
from foveal.agent.observations import Detected, Failed, Observation
from foveal.agent.transcript import Acted, Noted, Observed, found_objects, numbered
from foveal.graphs.budgets import Spent, exhausted, visual_tokens
from foveal.graphs.conclusion import concluded
from foveal.graphs.context import Context
from foveal.graphs.plan import Step, perceptions, steps_of
from foveal.graphs.result import Hop
from foveal.graphs.sessions import Live
from foveal.graphs.state import Errand, Outcome, State, Task, Update, since_turn, transcript, turns
from foveal.graphs.trace import Called, Finished, Returned, Said, Thought, Told
from foveal.tools.catalogue import specialist_for

LAST_CALL = Noted(text="Now answer the question.")
"""What the model is told when a budget is used up."""


async def think(state: State, runtime: Runtime[Context]) -> Update:
    """One turn of the model: the last one, without actions, if a budget is used up."""
    context, budgets = runtime.context, state["budgets"]
    spent = _so_far(state, context.elapsed())
    over = exhausted(budgets, spent)
    call = _told([LAST_CALL] if over else [], context)
    live = await context.sessions.at(state["run"], [*transcript(state), *call])
    tools = () if over else state["asked"].tools
    allowance = budgets.answer_tokens if over else budgets.new_tokens - spent.emitted
    turn = turns(transcript(state)) + 1
    acted, error = await _act(live, tools, allowance, turn, context)
    hop = not over and (error is not None or bool(perceptions(acted)))
    began, spent = spent.seconds, live.charged(spent, hop)
    thought = Thought(
        turn=turn,
        acted=acted,
        error=error,
        forced=over,
        spent=spent,
        seconds=context.elapsed() - began,
    )
    context.emit(thought)
    correction = _told([Noted(text=error)] if error is not None else [], context)
    return Update(items=[*call, acted, *correction], spent=spent, over=over)


def _so_far(state: State, seconds: float) -> Spent:
    """The run's totals, with the visual tokens that the model is about to be shown."""
    spent = state.get("spent", Spent())
    visual = spent.visual + visual_tokens(since_turn(transcript(state)))
    return spent.model_copy(update={"visual": visual, "seconds": seconds})


def _told(notes: list[Noted], context: Context) -> list[Noted]:
    for note in notes:
        context.emit(Told(noted=note))
    return notes


async def _act(
    live: Live, tools: Sequence[PerceptionKind], allowance: int, turn: int, context: Context
) -> tuple[Acted, str | None]:
    """The session's next turn; one that cannot be read keeps its text and comes with the reason."""
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        context.emit(Said(turn=turn, text=text))

    try:
        acted, error = await live.session.act(tools, allowance, hear), None
    except ActionError as malformed:
        acted, error = Acted(text="".join(said)), str(malformed)
    live.heard += 1
    return acted, error


async def perceive(state: Errand, runtime: Runtime[Context]) -> Update:
    """One action, by its specialist."""
    task, context = state["task"], runtime.context
    began = context.elapsed()
    context.emit(
        Called(
            turn=task.turn,
            position=task.position,
            action=task.action,
            specialist=specialist_for(task.action.kind),
            marks=task.marks,
        )
    )
    observation = await _dispatched(task, context)
    seconds = context.elapsed() - began
    return Update(
        outcomes=[Outcome(position=task.position, observation=observation, seconds=seconds)]
    )


async def _dispatched(task: Task, context: Context) -> Observation:
    """What came back within the run's time. Exceptions that are nobody's fault but ours pass."""
    left = task.budgets.seconds - context.elapsed()
    try:
        async with asyncio.timeout(left) as deadline:
            return await context.dispatcher.dispatch(task.action, task.image, task.marks)
    except ActionError as error:
        return Failed(error="action", message=str(error))
    except SpecialistError as error:
        return Failed(error="specialist", message=str(error))
    except TimeoutError:
        if not deadline.expired():
            raise
        name = specialist_for(task.action.kind)
        return Failed(error="specialist", message=f"{name} failed: the run's time is used up")


async def observe(state: State, runtime: Runtime[Context]) -> Update:
    """The join: every action of the turn with its answer, in the order emitted."""
    steps = steps_of(state)
    hops = _hops(state, steps)
    for position, hop in enumerate(hops):
        runtime.context.emit(Returned(position=position, hop=hop))
    spent = state["spent"]
    update = {
        "actions": spent.actions + sum(step.allowed for step in steps),
        "repeated": spent.repeated + sum(step.repeated for step in steps),
    }
    return Update(
        items=[Observed(action=hop.action, observation=hop.observation) for hop in hops],
        hops=hops,
        outcomes=[],
        spent=spent.model_copy(update=update),
    )


def _hops(state: State, steps: list[Step]) -> list[Hop]:
    entries = transcript(state)
    outcomes = {outcome.position: outcome for outcome in state.get("outcomes", [])}
    taken, turn = len(found_objects(entries)), turns(entries)
    hops: list[Hop] = []
    for position, step in enumerate(steps):
        seconds = 0.0
        if step.known is not None:
            answer = step.known
        elif step.twin is not None:
            answer = hops[step.twin].observation
        else:
            answer, seconds = outcomes[position].observation, outcomes[position].seconds
            if isinstance(answer, Detected):
                answer = numbered(answer, taken)
                taken += sum(found.index > 0 for found in answer.objects)
        hops.append(
            Hop(
                turn=turn,
                action=step.action,
                specialist=specialist_for(step.action.kind) if step.asks else None,
                observation=answer,
                repeated=step.repeated,
                seconds=seconds,
            )
        )
    return hops


async def conclude(state: State, runtime: Runtime[Context]) -> Update:
    """The result, from what the state holds."""
    result = concluded(state, runtime.context)
    runtime.context.emit(Finished(result=result))
    return Update(result=result)
