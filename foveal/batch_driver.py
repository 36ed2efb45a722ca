"""Runs a batch to its end or to an interrupt, and says meanwhile how far it is."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from foveal.batch_progress import Told
from foveal.batch_staff import Staff
from foveal.evals.score import verdict
from foveal.graphs.batch import Answerer, Batch, Verdict
from foveal.graphs.crowd import Crowd
from foveal.graphs.journal import Journal, State
from foveal.graphs.query import Query, Unreadable


class Drive:
    """One sitting. The first interrupt lets what is in flight be answered, the second drops it."""

    def __init__(self, staff: Staff, journal: Journal, pending: int) -> None:
        """`pending` is how many questions there are, for whoever watches."""
        self._staff, self._journal = staff, journal
        self._told = Told(sys.stderr, pending)
        self._batch: Batch | None = None
        self._stopped = False

    async def run(self, queries: Iterator[Query | Unreadable]) -> State:
        """Ask every question. Raises what Batch raises."""
        try:
            with self._heeding_signals():
                async with self._answerer() as answerer, self._told:
                    self._batch = Batch(
                        answerer,
                        self._journal.keep,
                        in_flight=self._staff.in_flight,
                        judge=judged,
                        watch=self._told.saw,
                    )
                    await self._batch.run(queries)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        return "interrupted" if self._stopped else "finished"

    @asynccontextmanager
    async def _answerer(self) -> AsyncIterator[Answerer]:
        if not self._staff.ray:
            async with self._staff.one() as agent:
                yield agent
            return
        crowds: list[Crowd] = []
        try:
            async with self._staff.many(self._told.say) as crowd:
                crowds.append(crowd)
                self._told.state = lambda: f"{crowd.ready} of {self._staff.hire.agents} agents"
                yield crowd
        finally:
            for crowd in crowds:  # none, if it could not be opened
                self._note(crowd)

    def _note(self, crowd: Crowd) -> None:
        how = self._journal.account.sittings[-1].how
        how |= {"restarts": crowd.restarts, "object_store_peak": crowd.object_store_peak}

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def end() -> None:
            self._stopped = True
            task.cancel()

        def wind_down() -> None:
            if self._stopped or self._batch is None:
                end()
                return
            self._stopped = True
            self._batch.wind_down()
            self._told.say("finishing what was begun; interrupt again to drop it")

        handlers = {signal.SIGINT: wind_down, signal.SIGTERM: end}
        with suppress(RuntimeError, ValueError):  # outside the main thread nobody sends any
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)


def judged(answer: str, truths: Sequence[str]) -> Verdict:
    """Right when it is any of the right answers."""
    verdicts = [verdict(answer, truth) for truth in truths]
    return "right" if "right" in verdicts else verdicts[0]
