"""The life of an agent: model and specialists are loaded when first needed, kept, and let go of at the end."""

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import TypeVar
from weakref import WeakSet

from foveal.agent.model import Connected, PerceptionModel
from foveal.agent.profiles import Profile
from foveal.graphs.closing import Closing
from foveal.graphs.conversation import Conversation
from foveal.graphs.durable.runs import Runs
from foveal.graphs.loop import BackgroundLoop, others_ended
from foveal.graphs.run import Parts
from foveal.tools.base import Dispatcher
from foveal.tools.store import ImageStore

Made = TypeVar("Made")


class Living(Closing):
    """What an agent has, whatever it is asked."""

    profile: Profile
    runs: Runs
    _model: PerceptionModel | None
    """The one that the caller made."""
    _dispatcher: Dispatcher | None
    _owns_dispatcher: bool
    _store: ImageStore

    def __init__(self) -> None:
        self._parts: Parts | None = None
        self._peak = 0
        self._conversations: WeakSet[Conversation] = WeakSet()
        self._closing = threading.Event()
        self._loading = asyncio.Lock()
        self._loop = BackgroundLoop()

    async def aload(self) -> None:
        """Load the model now; else the first question does. Raises SetupError when it cannot be loaded."""
        await asyncio.wrap_future(self._loop.submit(self._loaded()))

    async def awith(self, work: Callable[[Parts], Coroutine[object, object, Made]]) -> Made:
        """Do something else with what runs work with, loaded, on the agent's event loop; cancelling it ends it.

        For doors that ask more than a question: a single action, or a run with other tools and budgets.
        """

        async def done() -> Made:
            return await work(await self._loaded())

        return await asyncio.wrap_future(self._loop.submit(done()))

    def fetch(self) -> None:
        """Download what the profile needs and this machine lacks, once; else the first question does.

        Raises SetupError when it cannot be had. An interrupted download is gone on with the next time.
        """
        release = self.profile.release
        if release is None or (self._model is not None and not self._owns_dispatcher):
            return
        from foveal.agent.hub.fetching import fetch

        folder = fetch(release, self.profile.device, stop=self._closing.is_set)
        self.profile = self.profile.fetched(folder)

    @property
    def object_store_peak(self) -> int:
        """The most bytes of Ray's object store that this agent has held at once: images and results; 0 inline."""
        usage = getattr(self._dispatcher, "usage", None)
        return usage.peak if usage is not None else self._peak

    def close(self) -> None:
        """End what still runs and stop what was started. Closing twice is fine."""
        self._closing.set()
        if self._loop.started:
            self._loop.wait(self._wound_up())
        self._loop.close()

    async def aclose(self) -> None:
        """The same, for use with `await`."""
        self._closing.set()
        if self._loop.started:
            await asyncio.wrap_future(self._loop.submit(self._wound_up()))
        self._loop.close()

    @abstractmethod
    def _assembled(self) -> Parts:
        """What runs work with, loaded; called once, in a thread."""

    async def _loaded(self) -> Parts:
        async with self._loading:
            if self._parts is None:
                parts = await asyncio.to_thread(self._assembled)
                self._parts = await self.runs.keeping(parts, self.profile)
            return self._parts

    async def _wound_up(self) -> None:
        await others_ended()
        for conversation in list(self._conversations):
            await conversation.wind_up()
        if self._owns_dispatcher and self._dispatcher is not None:
            await self._dispatcher.close()
            self._peak, self._dispatcher = self.object_store_peak, None
            self._store = ImageStore()
        if self._parts is not None and self._model is None:
            await _let_go(self._parts.model)
        self._parts = None
        await self.runs.close()
        await asyncio.get_running_loop().shutdown_default_executor()


async def _let_go(model: PerceptionModel) -> None:
    if isinstance(model, Connected):
        await model.aclose()
