"""foveal inside a larger LangGraph agent: questions about one picture, asked side by side, become a report.

    python examples/larger_agent.py [IMAGE]

Each question runs foveal's graph inside a node of this one, so the steps in it are streamed, and kept by the
checkpointer, as this graph's own are. Answers that are not sure enough are left to a person.
"""

import operator
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from foveal import Agent

QUESTIONS = (
    "How many red cubes are there?",
    "Which is nearer, the black pyramid or the white pyramid?",
    "What does the orange sign say?",
    "How many dogs are there?",
)
SURE = 0.5


class State(TypedDict, total=False):
    image: str
    findings: Annotated[list[dict[str, Any]], operator.add]
    report: str


def larger_agent(agent: Agent) -> Any:
    """A graph that asks the agent, and knows nothing of how it looks."""

    def plan(state: State) -> list[Send]:
        return [Send("look", {"image": state["image"], "question": each}) for each in QUESTIONS]

    async def look(task: dict[str, Any]) -> State:
        return {"findings": [task | await agent.graph.ainvoke(task)]}

    def write(state: State) -> State:
        lines = [f"# {Path(state['image']).name}", ""]
        return {"report": "\n".join([*lines, *(_line(finding) for finding in state["findings"])])}

    graph = StateGraph(State)
    graph.add_node("look", look)
    graph.add_node("write", write)
    graph.add_conditional_edges(START, plan, ["look"])
    graph.add_edge("look", "write")
    graph.add_edge("write", END)
    return graph.compile(InMemorySaver())


def _line(finding: dict[str, Any]) -> str:
    question, answer, sure = finding["question"], finding["answer"], finding["confidence"]
    if finding["notes"] or answer == "unknown" or sure is None or sure < SURE:
        return f"- [ ] {question} Look yourself: {'; '.join(finding['notes']) or 'not sure'}"
    boxes = ", ".join(str([round(side) for side in piece["box"]]) for piece in finding["evidence"])
    return f"- [x] {question} **{answer}**" + (f", at {boxes}" if boxes else "")


async def main(image: str) -> None:
    config: Any = {"configurable": {"thread_id": "1"}}
    with Agent() as agent:
        steps = larger_agent(agent).astream(
            {"image": image}, config, stream_mode=["custom", "values"], subgraphs=True
        )
        async for place, mode, step in steps:
            if mode == "custom" and step["kind"] == "called":
                print(f"asking the {step['specialist']}", file=sys.stderr)
            elif not place and "report" in step:
                print(step["report"])


if __name__ == "__main__":
    import asyncio

    picture = Path(__file__).with_name("tabletop.png")
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else str(picture)))
