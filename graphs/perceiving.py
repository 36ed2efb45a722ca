"""The nodes around the specialists: one action each, and the join."""

import asyncio

from langgraph.runtime import Runtime

from foveal.agent.errors import ActionError, SpecialistError
from foveal.agent.observations import Detected, Failed, Observation
from foveal.agent.transcript import Noted, Observed, found_objects, numbered
from foveal.graphs.approval import decided
from foveal.graphs.context import Context
from foveal.graphs.plan import Step, steps_of
from foveal.graphs.result import Approval, Hop
from foveal.graphs.sketch import sketched
from foveal.graphs.state import Errand, Outcome, State, Task, Update, transcript, turns
from foveal.graphs.trace import Called, Decided, Returned, Told
from foveal.tools.catalogue import specialist_for

ASKED_BEFORE = Noted(
    text="asked before, and the answer is the same; ask something else, or answer", error=True
)
"""What the model is told beside the answer to a repeated action."""


EDITED = {
    "detect": "a person had something else detected; this is what was found",
    "depth": "a person changed what the distance of was asked; this is what came back",
}
MOVED = "a person changed where {kind} was done; this is what came back from there"
"""What a model that follows instructions is told beside the answer to an action that was edited."""


async def perceive(state: Errand, runtime: Runtime[Context]) -> Update:
    """One action, by its specialist; first a person is asked about it, where the run wants that."""
    task, context = state["task"], runtime.context
    if task.action.kind not in context.approve:
        return Update(outcomes=[await _asked(task, context)])
    decision, change = decided(task)  # everything before is done again when the person has decided
    context.emit(
        Decided(
            turn=task.turn,
            position=task.position,
            action=task.action,
            image=task.image,
            marks=task.marks,
            decision=decision,
        )
    )
    if isinstance(change, Failed):
        refused = Outcome(
            position=task.position, observation=change, seconds=0, approval="rejected"
        )
        return Update(outcomes=[refused])
    if change is None:
        outcome = await _asked(task, context)
        return Update(outcomes=[outcome.model_copy(update={"approval": "accepted"})])
    other = task.model_copy(update={"action": change.action, "marks": change.marks})
    outcome = await _asked(other, context)
    edited = {"approval": "edited", "instead": change.action}
    return Update(outcomes=[outcome.model_copy(update=edited)])


async def _asked(task: Task, context: Context) -> Outcome:
    """What the specialist says, kept for a process that takes up the run."""
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
    await context.keep(observation)
    return Outcome(position=task.position, observation=observation, seconds=seconds)


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
        sketch = sketched(hop.observation, runtime.context.sessions.sight)
        runtime.context.emit(Returned(position=position, hop=hop, sketch=sketch))
    spent = state["spent"]
    update = {
        "actions": spent.actions + sum(step.allowed for step in steps),
        "repeated": spent.repeated + sum(step.repeated for step in steps),
        "errors": spent.errors
        + sum(_wrong(step, hop) for step, hop in zip(steps, hops, strict=True)),
    }
    return Update(
        items=[
            *(_observed(hop) for hop in hops),
            *_reminder(steps, runtime.context),
            *_corrections(hops, runtime.context),
        ],
        hops=hops,
        outcomes=[],
        spent=spent.model_copy(update=update),
    )


def _observed(hop: Hop) -> Observed:
    return Observed(action=hop.action, observation=hop.observation, image=hop.image)


def _wrong(step: Step, hop: Hop) -> bool:
    """An action that could not be done, but for those that only came too late."""
    return step.allowed and hop.refused


def _reminder(steps: list[Step], context: Context) -> list[Noted]:
    """A word to a model that repeats itself."""
    if not any(step.repeated for step in steps):
        return []
    context.emit(Told(noted=ASKED_BEFORE))
    return [ASKED_BEFORE]


def _corrections(hops: list[Hop], context: Context) -> list[Noted]:
    """A word on what a person changed, to a model that knows more words than those of its training."""
    if not context.sessions.instructed:
        return []
    edited = [hop.action.kind for hop in hops if hop.instead is not None]
    notes = [Noted(text=EDITED.get(kind) or MOVED.format(kind=kind)) for kind in edited]
    for note in notes:
        context.emit(Told(noted=note))
    return notes


def _hops(state: State, steps: list[Step]) -> list[Hop]:
    entries = transcript(state)
    outcomes = {outcome.position: outcome for outcome in state.get("outcomes", [])}
    taken, turn = len(found_objects(entries)), turns(entries)
    hops: list[Hop] = []
    for position, step in enumerate(steps):
        seconds, approval, instead = 0.0, None, None
        if step.known is not None:
            answer = step.known
        elif step.twin is not None:
            answer = hops[step.twin].observation
        else:
            outcome = outcomes[position]
            answer, seconds = outcome.observation, outcome.seconds
            approval, instead = outcome.approval, outcome.instead
            if isinstance(answer, Detected):
                answer = numbered(answer, taken)
                taken += sum(found.index > 0 for found in answer.objects)
        hops.append(
            Hop(
                turn=turn,
                action=step.action,
                image=step.image,
                specialist=_asks(step, approval),
                observation=answer,
                repeated=step.repeated,
                seconds=seconds,
                approval=approval,
                instead=instead,
            )
        )
    return hops


def _asks(step: Step, approval: Approval | None) -> str | None:
    """The specialist that was asked, if one was."""
    return specialist_for(step.action.kind) if step.asks and approval != "rejected" else None
