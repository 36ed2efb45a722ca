"""How a chat model is driven through a conversation: with what is new each time, or with everything.

`Growing` keeps the cache of one conversation and computes what is added to it. `Afresh` keeps nothing and leaves
every turn to the model's own `generate`: slower, and right for any model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from foveal.agent.chat.context import Context, Network
from foveal.agent.chat.prompt import Addition
from foveal.agent.chat.turn import Turn
from foveal.agent.model import Usage

Process = Callable[[Addition], Mapping[str, Any]]
"""Words and pictures to the tensors that a model takes."""


class Writer(Protocol):
    """All of it runs in the model's thread."""

    @property
    def usage(self) -> Usage:
        """Tokens so far."""

    def add(self, addition: Addition, whole: Addition) -> None:
        """Something came before the next turn; `whole` is everything, with it."""

    def write(self, turn: Turn) -> None:
        """Write a turn to its end."""

    def recall(self, tokens: Sequence[int]) -> None:
        """A turn that was written before, in another session."""


class Growing:
    """One conversation's cache, to which things are added."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process
        self._prefilled = self._emitted = self._afresh = 0
        self._logits: Any = None
        self.context = Context(network)

    @property
    def usage(self) -> Usage:
        """Tokens computed, decoded and seen."""
        return Usage(self._prefilled, self._emitted, self.context.visual, afresh=self._afresh)

    def add(self, addition: Addition, whole: Addition) -> None:
        """Compute what is new; all of it, in a new cache, when the past was rewritten."""
        if addition.begins and self.context.ids:
            self.context = Context(self._network)
            self._afresh += 1
        before = len(self.context.ids)
        self._logits = self.context.append(self._process(addition))
        self._prefilled += len(self.context.ids) - before

    def write(self, turn: Turn) -> None:
        """Token after token."""
        while (token := turn.next(self._logits)) is not None:
            self._logits = self.context.append_ids([token])
        self._emitted += len(turn.tokens)

    def recall(self, tokens: Sequence[int]) -> None:
        """Compute it as it was."""
        if tokens:
            self._logits = self.context.append_ids(list(tokens))
            self._prefilled += len(tokens)


class Afresh:
    """Everything, every time, by the model's own means."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process
        self._whole = Addition("", ())
        self._turns = self._prefilled = self._emitted = self._visual = 0

    @property
    def usage(self) -> Usage:
        """Tokens computed, decoded and seen."""
        afresh = max(0, self._turns - 1)
        return Usage(self._prefilled, self._emitted, self._visual, afresh=afresh)

    def add(self, addition: Addition, whole: Addition) -> None:
        """Keep it for the next turn."""
        self._whole = whole

    def recall(self, tokens: Sequence[int]) -> None:
        """It stands in the prompt."""

    def write(self, turn: Turn) -> None:
        """From the beginning of the conversation to the end of the turn."""
        inputs = self._network.inputs(self._process(self._whole))
        ids = inputs["input_ids"][0]
        self._network.model.generate(
            **inputs, max_new_tokens=turn.limit + 1, logits_processor=[_Chosen(turn)]
        )
        self._turns += 1
        self._prefilled += len(ids)
        self._emitted += len(turn.tokens)
        self._visual = int((ids == self._network.image).sum())


class _Chosen:
    """Leaves `generate` one token to choose: the turn's."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """`scores` are (1, vocabulary)."""
        import torch

        token = self._turn.next(scores[0])
        chosen = torch.full_like(scores, -torch.inf)
        chosen[0, self._turn.end if token is None else token] = 0.0
        return chosen
