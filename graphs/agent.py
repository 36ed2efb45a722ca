"""The Python door: an Agent that answers questions about images."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveal.agent.errors import InputError
from foveal.agent.model import PerceptionModel
from foveal.agent.native.control import Control
from foveal.agent.pools import Pool, merged
from foveal.agent.profiles import Profile, load
from foveal.agent.settings import settings
from foveal.graphs.backends import dialect_of
from foveal.graphs.budgets import Budgets
from foveal.graphs.carriers import carrier
from foveal.graphs.choices import Tools, checked_gate, chosen, loaded
from foveal.graphs.conversation import Conversation
from foveal.graphs.durable.runs import Runs
from foveal.graphs.living import Living
from foveal.graphs.many import Outcome, Pair, answers, checked_width
from foveal.graphs.pinned import refuse_more
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, Watcher, checked_question, run
from foveal.graphs.schema import T, Wanted, schema_of
from foveal.graphs.stream import Stream, told
from foveal.graphs.trace import Event
from foveal.tools.base import Dispatcher
from foveal.tools.images import Images, Pixels, several
from foveal.tools.store import ImageStore

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool
    from langgraph.graph.state import CompiledStateGraph

    from foveal.graphs.subgraph import Answered, Question, Whole
    from foveal.graphs.taking import Owner


class Agent(Living):
    """Answers questions about images; models and specialists are loaded when first needed, and kept.

    Everything runs on an event loop of the agent's own, so `ask` works with or without a running loop and
    runs may overlap. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        profile: str | Path | Profile | None = None,
        *,
        ray: str | bool | None = None,
        pools: Mapping[str, Pool] | None = None,
        tools: Tools = None,
        budgets: Budgets | None = None,
        gate: float | None = None,
        trace_dir: str | Path | None = None,
        checkpoint: str | None = None,
        approve: Tools = None,
        model: PerceptionModel | None = None,
        dispatcher: Dispatcher | None = None,
        store: ImageStore | None = None,
        control: Control | None = None,
    ) -> None:
        """Choose a profile (a name, a TOML file; by default FOVEAL_PROFILE, or embedded) and what it may do.

        `ray` is the address of a cluster, or True to start one here; `pools` replace what the profile says of
        how its specialists run there. With a `gate` from 0 to 1 the model first answers without looking, and
        that stands if it is so sure. Runs are kept at a `checkpoint` (sqlite:PATH or postgres:URL), where `runs`
        finds them; `approve` names the actions that wait for a person, or "all". `model` replaces the profile's
        own, and `dispatcher`, which comes with the `store` it works on, its specialists; whoever made them closes
        them. `control` replaces the control state of re-encodings, for ablations.
        """
        super().__init__()
        if dispatcher is not None and store is None:
            raise InputError("a dispatcher comes with the store that it reads images from")
        self.settings = settings()
        named = profile or self.settings.profile
        self.profile = named if isinstance(named, Profile) else load(named)
        self._tools = chosen(tools, self.profile)
        self._budgets, self._gate = budgets or Budgets(), checked_gate(gate)
        self._trace_dir = None if trace_dir is None else Path(trace_dir)
        self._ray, self._model, self._dispatcher = ray, model, dispatcher
        self._control = control
        self._pools = merged(self.profile.pools, pools or {})
        self._owns_dispatcher = dispatcher is None
        self._store = store if store is not None else ImageStore()
        self.runs = Runs(checkpoint, approve, self._loaded, self.pictures, self._loop)

    def ask(
        self, image: Images, question: str, *, schema: Wanted[T] | None = None, verify: bool = False
    ) -> Result[T]:
        """Answer a question about an image: a path, URL, "-" for stdin, bytes, PIL image or array.

        Several images go in a list, to a model that takes several (the embedded one does not).
        With a `schema`, a pydantic class or a JSON schema, the answer is also the result's `value`. `verify` asks
        again with what was seen withheld, and the result says whether the answer depends on it.
        """
        return self._loop.wait(self._run(image, question, schema=schema, verify=verify))

    async def aask(
        self, image: Images, question: str, *, schema: Wanted[T] | None = None, verify: bool = False
    ) -> Result[T]:
        """The same, for use with `await`; cancelling it ends the run."""
        run = self._run(image, question, schema=schema, verify=verify)
        return await asyncio.wrap_future(self._loop.submit(run))

    def stream(
        self, image: Images, question: str, *, schema: Wanted | None = None, verify: bool = False
    ) -> Stream[Event]:
        """Every event as it happens, for `for` and for `async for`; the last one is `Finished` and has the result.

        Leaving early ends the run.
        """

        def run(watch: Watcher) -> Coroutine[object, object, Result]:
            return self._run(image, question, watch, schema=schema, verify=verify)

        return Stream(self._loop, told(run))

    def conversation(self, image: Images) -> Conversation:
        """Questions about one image, one after the other, where the image is not encoded again.

        A model that converses (one of the Hub, one at a server) hears them as one dialogue, so "which of them is
        larger?" refers to what was said before. A native one knows single questions, and each is asked by itself.
        """
        begun = Conversation(self._loop, image, self.pictures, self._loaded)
        self._conversations.add(begun)
        return begun

    def ask_many(
        self,
        questions: Iterable[Pair],
        *,
        at_once: int = 8,
        in_order: bool = True,
        schema: Wanted[T] | None = None,
        verify: bool = False,
    ) -> Stream[Outcome[T]]:
        """Answer pairs of an image and a question, `at_once` at a time, for `for` and for `async for`.

        There is one `Outcome` per pair, in their order, or with `in_order=False` as soon as each is had. One that
        fails costs no other its answer: its `error` says why. Raises SetupError when the model cannot be loaded.
        """
        pairs = [(image, question) for image, question in questions]
        width = checked_width(at_once)

        async def ask(image: Images, question: str) -> Result[T]:
            return await self._run(image, question, schema=schema, verify=verify)

        return Stream(self._loop, answers(self._loaded, ask, pairs, width, in_order))

    @cached_property
    def graph(self) -> "CompiledStateGraph[Whole, None, Question, Answered]":
        """A run as a LangGraph graph: to be invoked, streamed, or added to another graph as a node.

        In and out go plain values: `image` (a path or URL), `question`, `schema` and `verify`; `answer`,
        `confidence`, `value`, `evidence`, `hops`, `notes` and the whole `result`. It is this agent that answers.
        """
        from foveal.graphs.subgraph import subgraph  # LangGraph takes a second to import

        return subgraph(self._owner())

    def as_tool(
        self,
        image: Images | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> "StructuredTool":
        """A tool for any tool-calling LangChain agent, asked about `image`, or about whichever the caller names.

        It gives back the answer, and what it rests on as boxes and drawn on the image; the artifact is the result.
        """
        from foveal.graphs.as_tool import as_tool

        return as_tool(self.graph, self._owner(), image, name, description)

    def _owner(self) -> "Owner":
        from foveal.graphs.taking import Owner

        return Owner(self.pictures, self._store, self._loaded, self._loop)

    async def _run(
        self,
        image: Images,
        question: str,
        watch: Watcher | None = None,
        *,
        schema: Wanted | None,
        verify: bool,
    ) -> Result:
        question = checked_question(question)  # bad input is told before anything is loaded
        form = None if schema is None else schema_of(schema)
        pixels = await asyncio.to_thread(self.pictures, image)
        parts = await self._loaded()
        given = several(image)
        return await run(question, pixels, parts, watch, schema=form, verify=verify, sources=given)

    def pictures(self, images: Images) -> tuple[Pixels, ...]:
        """The pixels of a question's images. Raises InputError for what is no image, and for more than the model
        takes."""
        pictures = tuple(loaded(one, self.settings) for one in several(images))
        refuse_more(len(pictures), self._model or dialect_of(self.profile), self.profile.name)
        return pictures

    def _assembled(self) -> Parts:
        self.fetch()
        if self._dispatcher is None:
            self._dispatcher = carrier(self.profile, self._store, self._ray, self._pools)
        return Parts(
            self._model or _model(self.profile, self._control),
            self._dispatcher,
            self._store,
            profile=self.profile.name,
            domain=self.profile.domain,
            tools=self._tools,
            budgets=self._budgets,
            gate=self._gate,
            trace_dir=self._trace_dir,
        )


def ask(
    image: Images,
    question: str,
    *,
    schema: Wanted[T] | None = None,
    verify: bool = False,
    **options: Any,
) -> Result[T]:
    """Answer one question with an Agent made for it; `options` are the Agent's."""
    with Agent(**options) as agent:
        return agent.ask(image, question, schema=schema, verify=verify)


def _model(profile: Profile, control: Control | None) -> PerceptionModel:
    from foveal.graphs.backends import model_of  # each backend imports what it needs

    return model_of(profile, control)
