"""One forward pass for every conversation that waits: sessions of one model are decoded together.

A session's work is a generator that yields stretches of its context and is sent what the model made of them.
The engine advances all of them in one thread: what they ask for at the same time runs as one packed pass, in
which every weight is read once. Linear layers see all stretches as one sequence; attention sees each with
its own past and nothing else, so an answer does not depend on who else is being answered.
"""

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from foveal.agent.native.kv import KeyValues
from foveal.agent.native.packed import Computed, Stretch, packed, prepare

T = TypeVar("T")

PASS = 4096
"""Tokens in one pass, unless a single stretch is longer: a long prompt must not make everybody wait for memory."""


Steps = Generator[Stretch, Computed, T]
"""Work that needs the model: yields stretches, is sent what was computed, returns a value."""


@dataclass
class _Work(Generic[T]):
    """One generator under way."""

    steps: Steps[T]
    future: Future[T] = field(default_factory=Future)
    stretch: Stretch | None = None

    def advance(self, made: Computed | None) -> bool:
        """Run to the next stretch; False when the work has ended, one way or another."""
        try:
            self.stretch = next(self.steps) if made is None else self.steps.send(made)
        except StopIteration as end:
            self._settle(value=end.value)
        except BaseException as error:
            self.fail(error)
        else:
            return True
        return False

    def fail(self, error: BaseException) -> None:
        """Give up with this error."""
        self.steps.close()
        self._settle(error=error)

    def _settle(self, value: Any = None, error: BaseException | None = None) -> None:
        with suppress(InvalidStateError, CancelledError):  # nobody waits any more
            if error is None:
                self.future.set_result(value)
            else:
                self.future.set_exception(error)


SMALL = 50_000_000
"""Parameters below which a pass on a CPU is too short to be shared: two cores took twice as long as one."""


class Engine:
    """Runs the work of all sessions of one network, in one thread of its own."""

    def __init__(self, network: Any) -> None:
        """`network` is a `Qwen2VLForConditionalGeneration`."""
        self._network = prepare(network)
        self._thread = ThreadPoolExecutor(1, "foveal-model")
        if _small(network):
            _keep_to_one_core(self._thread)
        self._arrived: list[_Work[Any]] = []
        self._busy = False
        self._lock = threading.Lock()
        self.passes = 0
        """Forward passes so far."""
        self.tokens = 0
        """Tokens computed in them."""

    def cache(self) -> KeyValues:
        """An empty cache for one conversation."""
        return KeyValues(self._network.config.text_config.num_hidden_layers)

    def submit(self, steps: Steps[T]) -> Future[T]:
        """Start work; cancelling the future ends it before its next stretch."""
        work = _Work(steps)
        with self._lock:
            self._arrived.append(work)
            if not self._busy:
                self._busy = True
                self._thread.submit(self._drain)
        return work.future

    def run(self, steps: Steps[T]) -> T:
        """Start work and wait for it."""
        return self.submit(steps).result()

    def close(self) -> None:
        """End the thread, after what it is at."""
        self._thread.shutdown(cancel_futures=True)

    def _drain(self) -> None:
        """Until nobody waits."""
        import torch

        live: list[_Work[Any]] = []
        with torch.inference_mode():
            while True:
                with self._lock:
                    new, self._arrived = self._arrived, []
                    if not (live or new):
                        self._busy = False
                        return
                live += [work for work in new if work.advance(None)]
                live = self._step(live)

    def _step(self, live: list[_Work[Any]]) -> list[_Work[Any]]:
        """One pass for as many as fit; returns who goes on, those who had to wait first."""
        for work in live:
            if work.future.cancelled():
                work.steps.close()
        live = [work for work in live if not work.future.cancelled()]
        served = _fitting(live)
        later = live[len(served) :]
        return later + self._served(served)

    def _served(self, works: Sequence[_Work[Any]]) -> list[_Work[Any]]:
        if not works:
            return []
        stretches = [work.stretch for work in works if work.stretch is not None]
        try:
            made = packed(self._network, stretches)
        except BaseException as error:
            return self._alone(works, error)
        self.passes += 1
        self.tokens += sum(len(stretch.embeds) for stretch in stretches)
        return [work for work, one in zip(works, made, strict=True) if work.advance(one)]

    def _alone(self, works: Sequence[_Work[Any]], error: BaseException) -> list[_Work[Any]]:
        """After a pass that failed: one at a time, so that only whoever caused it pays."""
        if len(works) == 1:
            works[0].fail(error)
            return []
        return [work for one in works for work in self._served([one])]


def _fitting(works: Sequence[_Work[Any]]) -> Sequence[_Work[Any]]:
    """As many from the front as fit in one pass, at least one."""
    total = 0
    for count, work in enumerate(works):
        total += len(work.stretch.embeds) if work.stretch is not None else 0
        if count and total > PASS:
            return works[:count]
    return works


def _small(network: Any) -> bool:
    parameters = list(network.parameters())
    count = sum(int(parameter.numel()) for parameter in parameters)
    return count < SMALL and str(parameters[0].device) == "cpu"


def _keep_to_one_core(thread: ThreadPoolExecutor) -> None:
    """Of this one thread: torch takes its number for that of all threads to come, so it is told again."""
    import torch

    def one() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread settles its number when it is first asked for

    others = torch.get_num_threads()
    thread.submit(one).result()
    torch.set_num_threads(others)
