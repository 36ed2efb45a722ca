"""The protocol that every model backend keeps: open a session on a transcript, act, observe, act again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import PerceptionKind
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed


class Sight(Protocol):
    """Where a session fetches what a transcript only names."""

    def pixels(self, image: str) -> NDArray[np.uint8]:
        """The image with this content hash: (height, width, 3), RGB."""

    def array(self, key: str) -> NDArray[Any]:
        """The mask or features under this key."""


@dataclass(frozen=True)
class Usage:
    """What a session has cost so far."""

    prefilled: int = 0
    """Tokens of context computed, each counted every time it is computed."""
    emitted: int = 0
    """Tokens decoded."""
    visual: int = 0
    """Visual tokens in context."""
    cached: int = 0
    """Tokens of context that were sent and had not to be computed, because a server had kept them."""
    afresh: int = 0
    """Turns before which all of the context was computed again: a chat template had rewritten the past, or the
    family is one whose cache we do not know how to continue."""


class Session(Protocol):
    """One conversation about an image, or several. A cache: it can always be rebuilt from its transcript."""

    @property
    def usage(self) -> Usage:
        """Cost so far."""

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode until the turn ends; only actions in `tools` can be emitted, none when it is empty.

        Text is passed to `on_text` as it is decoded. A turn without perception actions is the answer.
        Raises ActionError when the turn holds an action that cannot be parsed.
        """

    async def observe(self, items: Sequence[Injected]) -> None:
        """Append what came back for the actions of the last turn, or a note."""

    def close(self) -> None:
        """Free the caches."""


@runtime_checkable
class Schooled(Protocol):
    """What a model is as well when it may know no other words than those it was trained on."""

    instructed: bool
    """Whether it follows instructions in any words; if not, what it writes on one means nothing."""


@runtime_checkable
class Sighted(Protocol):
    """What a model is as well, or its dialect, when it says how many images a question may come with.

    One that does not say takes any number.
    """

    @property
    def images(self) -> int:
        """At most so many."""


@runtime_checkable
class Structured(Protocol):
    """What a session is as well when it can hold the model to a JSON schema while it writes."""

    async def fill(
        self,
        schema: Mapping[str, Any],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """Decode one turn without actions, as JSON that fits the schema, unless the tokens do not suffice.

        For a schema that it cannot hold the model to it takes an ordinary turn: nobody relies on it.
        """


@runtime_checkable
class Conversing(Protocol):
    """What a model is as well when it may have been trained on one question at a time."""

    converses: bool
    """Whether it understands a question that refers to those before it; if not, each is asked by itself."""


class PerceptionModel(Protocol):
    """Something that can look at an image and decide where to look next."""

    name: str

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> Session:
        """A session that has seen the whole transcript."""


@runtime_checkable
class Connected(Protocol):
    """What a model is as well when it holds connections or threads: whoever made it closes it."""

    async def aclose(self) -> None:
        """Let go of them."""
