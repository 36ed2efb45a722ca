"""A parent graph whose process is killed inside the loop goes on in another one."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "tabletop.png"
QUESTION = "Which is nearer, the black pyramid or the white pyramid?"
PARENT = """
import json, os, signal, sys
from typing import TypedDict

from foveal import Agent
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    image: str
    question: str
    answer: str


given, calls = json.loads(sys.argv[2]), []
config = {"configurable": {"thread_id": "1"}}
with Agent() as agent, SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    builder = StateGraph(State).add_node("look", agent.graph).add_edge(START, "look")
    parent = builder.compile(saver)
    stream = parent.stream(
        given, config, stream_mode="custom", subgraphs=True, durability="sync"
    )
    for _, event in stream:
        if event["kind"] == "called":
            calls.append(event["specialist"])
            if given and len(calls) == 2:
                print(json.dumps(calls), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps([calls, parent.get_state(config).values["answer"]]))
"""


def _run(database: Path, given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PARENT, str(database), json.dumps(given)]
    return subprocess.run(command, cwd=database.parent, capture_output=True, text=True)


@pytest.mark.slow
def test_a_killed_parent_repeats_no_specialist_call(tmp_path: Path) -> None:
    database = tmp_path / "parent.sqlite"
    killed = _run(database, {"image": str(EXAMPLE), "question": QUESTION})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert json.loads(killed.stdout) == ["detector", "depth"]
    resumed = _run(database, None)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == [["depth"], "white pyramid"]
