"""Questions about one image, one after the other: it is encoded once, and what was said is kept."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from foveal.graphs.closing import Closing
from foveal.graphs.loop import BackgroundLoop
from foveal.graphs.pinned import pinned
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, Watcher, checked_question, run
from foveal.graphs.schema import T, Wanted, schema_of
from foveal.graphs.sessions import Sessions
from foveal.graphs.stream import Stream, told
from foveal.graphs.talk import Talk
from foveal.graphs.trace import Event
from foveal.tools.images import Images, Pixels, several


class Conversation(Closing):
    """Follow-up questions, asked like an agent's, each with the whole of the agent's budgets.

    They are answered one at a time, in the order in which they are asked. A question that fails leaves the
    conversation as it was. Close it, or use it as a context manager; the agent closes what is left open.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        image: Images,
        load: Callable[[Images], Sequence[Pixels]],
        parts: Callable[[], Coroutine[Any, Any, Parts]],
    ) -> None:
        """`load` is called once."""
        self._loop, self._image, self._load, self._parts = loop, image, load, parts
        self._turn = asyncio.Lock()
        self._kept = AsyncExitStack()
        self._pictures: Sequence[Pixels] = ()
        self._talk: Talk | None = None
        self._closed = False

    @property
    def understands(self) -> bool | None:
        """Whether a question may refer to the answers before it; None until the model is loaded."""
        return self._talk.sessions.converses if self._talk else None

    def ask(
        self, question: str, *, schema: Wanted[T] | None = None, verify: bool = False
    ) -> Result[T]:
        """Answer the next question; see `Agent.ask`."""
        return self._loop.wait(self._run(question, schema=schema, verify=verify))

    async def aask(
        self, question: str, *, schema: Wanted[T] | None = None, verify: bool = False
    ) -> Result[T]:
        """The same, for use with `await`; cancelling it ends the run."""
        run = self._run(question, schema=schema, verify=verify)
        return await asyncio.wrap_future(self._loop.submit(run))

    def stream(
        self, question: str, *, schema: Wanted | None = None, verify: bool = False
    ) -> Stream[Event]:
        """Every event of the next question; see `Agent.stream`."""

        def run(watch: Watcher) -> Coroutine[object, object, Result]:
            return self._run(question, watch, schema=schema, verify=verify)

        return Stream(self._loop, told(run))

    def close(self) -> None:
        """Let go of image and session, after the question under way. Closing twice is fine."""
        with suppress(RuntimeError):  # the agent is closed, and so is this
            self._loop.wait(self.wind_up())

    async def aclose(self) -> None:
        """The same, for use with `await`."""
        with suppress(RuntimeError):
            await asyncio.wrap_future(self._loop.submit(self.wind_up()))

    async def wind_up(self) -> None:
        """The same, on the agent's loop."""
        self._closed = True
        async with self._turn:
            if self._talk is not None:
                self._talk.close()
            self._talk, self._pictures = None, ()
            await self._kept.aclose()

    async def _run(
        self,
        question: str,
        watch: Watcher | None = None,
        *,
        schema: Wanted | None,
        verify: bool,
    ) -> Result:
        question = checked_question(question)
        form = None if schema is None else schema_of(schema)
        async with self._turn:
            if self._closed:
                raise RuntimeError("this conversation is closed; begin a new one")
            parts, talk = await self._begun()
            return await run(
                question,
                self._pictures,
                parts,
                watch,
                schema=form,
                verify=verify,
                sources=several(self._image),
                talk=talk,
            )

    async def _begun(self) -> tuple[Parts, Talk]:
        """With the image in the store, which keeps it, and what is known about it, until the end."""
        if self._talk is None:
            pictures = await asyncio.to_thread(self._load, self._image)
            parts = await self._parts()
            await self._kept.enter_async_context(pinned(pictures, parts.store))
            self._pictures = pictures
            self._talk = Talk(Sessions(parts.model, parts.store))
        return await self._parts(), self._talk
