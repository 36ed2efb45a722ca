"""The wiring, and nothing else."""

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from foveal.graphs.context import Context
from foveal.graphs.nodes import conclude, repair, think
from foveal.graphs.perceiving import observe, perceive
from foveal.graphs.routes import after_think
from foveal.graphs.state import Reply, Request, State


def build(checkpointer: Checkpointer = None) -> CompiledStateGraph[State, Context, Request, Reply]:
    """The loop as a LangGraph machine; it holds no dependencies, so one serves every run."""
    graph = StateGraph(State, Context, input_schema=Request, output_schema=Reply)
    graph.add_node("think", think)
    graph.add_node("perceive", perceive)
    graph.add_node("observe", observe)
    graph.add_node("repair", repair)
    graph.add_node("conclude", conclude)
    graph.add_edge(START, "think")
    graph.add_conditional_edges(
        "think", after_think, ["think", "perceive", "observe", "repair", "conclude"]
    )
    graph.add_edge("perceive", "observe")
    graph.add_edge("observe", "think")
    graph.add_edge("repair", "conclude")
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer, name="foveal")
