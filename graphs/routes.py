"""Where the loop goes after a turn of the model."""

from langgraph.types import Send

from foveal.agent.transcript import Noted
from foveal.graphs.plan import steps_of
from foveal.graphs.state import Errand, State, Task, transcript, turns


def after_think(state: State) -> list[Send] | str:
    """To the specialists, one `perceive` each; back to the model; or to the end, maybe over a repair."""
    entries = transcript(state)
    end = "repair" if state.get("misfit") else "conclude"
    if state["over"]:
        return end
    if isinstance(entries[-1], Noted):  # the turn could not be read
        return "think"
    steps = steps_of(state)
    if not steps:
        cut_off = state["spent"].emitted >= state["budgets"].new_tokens
        return "think" if cut_off else end
    return [
        Send("perceive", Errand(task=task)) for task in _tasks(state, turns(entries))
    ] or "observe"


def _tasks(state: State, turn: int) -> list[Task]:
    return [
        Task(
            turn=turn,
            position=position,
            action=step.action,
            image=state["asked"].picked(step.image).image,
            size=state["asked"].picked(step.image).size,
            marks=step.marks,
            budgets=state["budgets"],
        )
        for position, step in enumerate(steps_of(state))
        if step.asks
    ]
