"""The graph that LangGraph's own server serves, as `langgraph.json` at the root of the repository says."""

from functools import cache

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from foveal.agent.errors import InputError
from foveal.agent.profiles import BUILT_IN
from foveal.graphs.agent import Agent
from foveal.graphs.subgraph import Answered, Question, Whole


def graph(config: RunnableConfig) -> CompiledStateGraph[Whole, None, Question, Answered]:
    """The graph of the profile that a request's configuration names, or of FOVEAL_PROFILE.

    The server asks for it again and again, to describe it too: nothing is loaded before a question is asked.
    """
    profile = config.get("configurable", {}).get("profile")
    if profile is not None and profile not in BUILT_IN:  # a request is not to name a file
        raise InputError(f"no profile {profile!r}; known: {', '.join(BUILT_IN)}")
    return _agent(profile).graph


@cache
def _agent(profile: str | None) -> Agent:
    """One agent for each profile, kept while the server runs."""
    return Agent(profile)
