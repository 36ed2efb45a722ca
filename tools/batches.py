"""Answers a batch so that one bad request costs only itself, and one too large only its size."""

import sys
from collections.abc import Sequence

from foveal.agent.errors import FovealError, SpecialistError
from foveal.tools.base import Reply, Request, Specialist
from foveal.tools.dispatch import foreign_as_ours

Outcome = Reply | FovealError


class Batches:
    """One specialist, and how many requests it has turned out to bear at once."""

    def __init__(self, name: str, specialist: Specialist, largest: int) -> None:
        self._name, self.specialist = name, specialist
        self.largest = largest
        """Requests per call: halved whenever memory ran out."""
        self.out_of_memory = 0
        """Times that it did."""

    def answers(self, batch: Sequence[Request]) -> list[Outcome]:
        """One reply or error per request, in order."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(batch):
            outcomes += self._part(batch[len(outcomes) :][: self.largest])
        return outcomes

    def _part(self, part: Sequence[Request]) -> list[Outcome]:
        try:
            with foreign_as_ours(self._name):
                replies = self.specialist.run(part)
                if len(replies) != len(part):
                    reason = f"gave {len(replies)} replies to {len(part)} requests"
                    raise SpecialistError(self._name, reason)
                return list(replies)
        except FovealError as error:
            full = ran_out_of_memory(error)
            if full:
                self._shrink(len(part))
            if len(part) == 1:
                return [SpecialistError(self._name, "it ran out of memory") if full else error]
        if full:
            return self.answers(part)
        return [outcome for request in part for outcome in self._part([request])]

    def _shrink(self, size: int) -> None:
        self.out_of_memory += 1
        self.largest = max(1, min(self.largest, size // 2))
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of a GPU, is behind an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
            return True
        if isinstance(cause, RuntimeError) and _says_so(str(cause).lower()):
            return True
        cause = cause.__cause__
    return False


def _says_so(message: str) -> bool:
    """Torch's and ONNX Runtime's words for it."""
    return any(
        words in message
        for words in ("out of memory", "can't allocate memory", "failed to allocate memory")
    )
