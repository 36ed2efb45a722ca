"""One agent in a process of its own; what a Crowd turns into a Ray actor. It knows nothing of Ray."""

import asyncio
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from foveal.agent.errors import FovealError
from foveal.graphs.agent import Agent
from foveal.graphs.result import Result
from foveal.tools.images import Images


@dataclass(frozen=True)
class Bug:
    """An error that nobody expected, in words: the error itself may not survive the way."""

    what: str
    """Its type and message."""
    where: str
    """Its traceback."""


class Clerk:
    """Answers with errors instead of raising them, so that they cross between processes intact."""

    def __init__(self, make: Callable[[], Agent], environment: Mapping[str, str]) -> None:
        """`make` is called when the agent is first needed; `environment` is what the driver's has for it."""
        os.environ.update(environment)
        self._make = make
        self._agent: Agent | None = None

    async def ready(self) -> FovealError | None:
        """Load the model."""
        try:
            self._agent = self._make()
            await self._agent.aload()
        except FovealError as error:
            return error
        return None

    async def aask(self, image: Images, question: str) -> Result | FovealError | Bug:
        """Answer a question."""
        if self._agent is None:
            raise RuntimeError("asked before it was ready")
        try:
            return await self._agent.aask(image, question)
        except FovealError as error:
            return error
        except Exception as error:  # a bug, for the driver to tell
            told = "".join(traceback.format_exception(error))
            return Bug(f"{type(error).__name__}: {error}", told)

    async def close(self) -> int:
        """Stop what the agent started. Returns the bytes of Ray's object store that it held at most."""
        if self._agent is None:
            return 0
        await asyncio.to_thread(self._agent.close)
        return self._agent.object_store_peak
