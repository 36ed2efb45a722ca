"""The model's open sessions, one per run: caches beside the graph's state, rebuilt when missing."""

from dataclasses import dataclass, field

from foveal.agent.model import PerceptionModel, Schooled, Session, Sight, Usage
from foveal.agent.transcript import Noted, Observed
from foveal.graphs.budgets import Spent
from foveal.graphs.state import Entry


@dataclass
class Live:
    """A session, and how much of the transcript it has heard."""

    session: Session
    heard: int
    counted: Usage = field(default_factory=Usage)
    """The part of its usage that is already in the run's totals."""

    async def hear(self, entries: list[Entry]) -> None:
        """Tell it what was injected since, all at once: one reply to the model's turn."""
        news = [entry for entry in entries[self.heard :] if isinstance(entry, Observed | Noted)]
        if news:
            await self.session.observe(news)
        self.heard = len(entries)

    def charged(self, spent: Spent, hop: bool) -> Spent:
        """The run's totals with what the session has used since the last time, and one hop more if it was one."""
        usage, counted = self.session.usage, self.counted
        self.counted = usage
        return spent.model_copy(
            update={
                "hops": spent.hops + hop,
                "prefilled": spent.prefilled + usage.prefilled - counted.prefilled,
                "emitted": spent.emitted + usage.emitted - counted.emitted,
                "visual": usage.visual,
                "cached": spent.cached + usage.cached - counted.cached,
                "afresh": spent.afresh + usage.afresh - counted.afresh,
            }
        )


class Sessions:
    """Keyed by run id. Losing one costs a prefill and nothing else."""

    def __init__(self, model: PerceptionModel, sight: Sight) -> None:
        self._model = model
        self.sight = sight
        """Where what a transcript names is fetched."""
        self._live: dict[str, Live] = {}

    @property
    def instructed(self) -> bool:
        """Whether the model follows instructions that it was not trained on."""
        return self._model.instructed if isinstance(self._model, Schooled) else True

    async def at(self, run: str, entries: list[Entry]) -> Live:
        """The run's session, having heard the whole transcript."""
        live = self._live.get(run)
        if live is None or live.heard > len(entries):
            self.drop(run)
            live = Live(await self._model.open(entries, self.sight), len(entries))
            self._live[run] = live
        else:
            await live.hear(entries)
        return live

    def drop(self, run: str) -> None:
        """Close the run's session, if there is one."""
        live = self._live.pop(run, None)
        if live is not None:
            live.session.close()
