"""A whole run as a LangGraph graph with plain input and output: for a parent graph, a server or a tool.

The loop (`graphs.build`) is a graph inside it, so a parent's checkpointer is the loop's too, and a run that was
cut off goes on at its last step. What the nodes work with belongs to the agent that the graph was made for. The
state holds where the images are and their content hashes; the pixels are in the agent's store, and loaded again
where a process that takes up a run has not got them.
"""

from typing import Annotated, Any, Required

from langgraph.channels import EphemeralValue
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from foveal.graphs.looking import looking
from foveal.graphs.taking import Owner, Taken, taken_up


class Question(TypedDict, total=False):
    """What the graph is given; all of it plain JSON."""

    image: Required[str | list[str]]
    """A path, an http(s) or data URL; or a list of them, for a model that takes several images."""
    question: Required[str]
    schema: Annotated[dict[str, Any] | None, EphemeralValue]
    """A JSON schema that the answer must fit."""
    verify: Annotated[bool | None, EphemeralValue]
    """Whether to ask again with what was seen withheld."""


class Answered(TypedDict, total=False):
    """What the graph gives back; all of it plain JSON, and everything but `result` taken from there."""

    answer: str
    confidence: float | None
    value: Any
    """The answer as the schema has it, if there is one."""
    evidence: list[dict[str, Any]]
    """What the answer rests on: label, box (left, top, right, bottom in pixels of the image), score and action."""
    hops: list[dict[str, Any]]
    notes: list[str]
    result: dict[str, Any]
    """The whole `Result`."""


class Whole(Question, Answered, total=False):
    """The graph's state."""

    taken: Taken


def subgraph(owner: Owner) -> CompiledStateGraph[Whole, None, Question, Answered]:
    """The graph of one agent: invoke it, synchronously or not, or add it to another graph as a node.

    Raises what `Agent.ask` raises. Every event is streamed (`stream_mode="custom"`) as its JSON.
    """

    def load(state: Whole) -> dict[str, Any]:
        form, verify = state.get("schema"), bool(state.get("verify"))
        return {"taken": taken_up(owner, state["image"], state["question"], form, verify)}

    graph = StateGraph(Whole, input_schema=Question, output_schema=Answered)
    graph.add_node("load", load)
    graph.add_node("loop", looking(owner))
    graph.add_edge(START, "load")
    graph.add_edge("load", "loop")
    graph.add_edge("loop", END)
    return graph.compile(name="foveal")
