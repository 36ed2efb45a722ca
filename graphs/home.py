"""Nodes that work on an agent's own event loop, whoever's loop or thread runs the graph around them.

Models and dispatchers belong to one loop; a parent graph, its checkpointer and its streams to another, or to none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.runtime import Runtime, get_runtime

from foveal.graphs.context import Context
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.state import Update

T = TypeVar("T")
Node = Callable[[Any, Runtime[Context]], Coroutine[Any, Any, Update]]


def at_home(node: Node, loop: BackgroundLoop) -> Runnable[Any, Update]:
    """The node, for graphs that are invoked synchronously and for those that are not.

    What it asks LangGraph for (an interrupt, its configuration) it is given as if it ran there.
    """

    def waited(state: Any) -> Update:
        return loop.wait(node(state, get_runtime(Context)))

    async def awaited(state: Any) -> Update:
        return await afar(loop, node(state, get_runtime(Context)))

    return RunnableLambda(waited, awaited, name=getattr(node, "__name__", None))


def afar(loop: BackgroundLoop, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """A coroutine's result, from another loop; cancelling it here ends it there."""
    return asyncio.wrap_future(loop.submit(coroutine))
