"""The wiring, and nothing else."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from foveal.graphs.context import Context
from foveal.graphs.home import Node, at_home
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.nodes import conclude, repair, think
from foveal.graphs.perceiving import observe, perceive
from foveal.graphs.routes import after_think
from foveal.graphs.state import Errand, Reply, Request, State


def build(
    checkpointer: Checkpointer = None, loop: BackgroundLoop | None = None
) -> CompiledStateGraph[State, Context, Request, Reply]:
    """The loop as a LangGraph machine; it holds no dependencies, so one serves every run.

    With a `loop` its nodes work there, and the graph may be invoked from anywhere, synchronously too.
    """

    def placed(node: Node) -> Any:
        return at_home(node, loop) if loop is not None else node

    # A server describes a graph's context in JSON; this one is for graphs and agents alone.
    described = Context if loop is None else None
    graph = StateGraph(State, described, input_schema=Request, output_schema=Reply)
    graph.add_node("think", placed(think))
    graph.add_node("perceive", placed(perceive), input_schema=Errand)
    graph.add_node("observe", placed(observe))
    graph.add_node("repair", placed(repair))
    graph.add_node("conclude", placed(conclude))
    graph.add_edge(START, "think")
    graph.add_conditional_edges(
        "think", after_think, ["think", "perceive", "observe", "repair", "conclude"]
    )
    graph.add_edge("perceive", "observe")
    graph.add_edge("observe", "think")
    graph.add_edge("repair", "conclude")
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer, name="foveal")
