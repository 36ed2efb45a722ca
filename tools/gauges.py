"""What a worker says about itself: whether it is well, and how it has done since it started."""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

REMEMBERED = 1024
"""Latencies that the percentiles are taken from: the most recent ones."""


@dataclass(frozen=True)
class Health:
    """Enough to decide whether it may be given work."""

    waiting: int
    running: int
    finished: int
    """Batches answered since it started."""

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not (self.waiting or self.running)


@dataclass(frozen=True)
class Stats:
    """One worker's history; those of several add up with `total`."""

    waiting: int = 0
    running: int = 0
    answered: int = 0
    failed: int = 0
    """Requests that were answered with an error."""
    batches: Mapping[int, int] = field(default_factory=dict)
    """Batch size to how often."""
    seconds: Sequence[float] = ()
    """From arrival to answer, of the most recent requests."""
    hits: int = 0
    """Results that were remembered from an earlier request."""
    misses: int = 0
    cached_bytes: int = 0
    out_of_memory: int = 0
    """Times that a batch was too large."""
    largest: int = 0
    """Requests it now takes at once: less than allowed after running out of memory."""

    @property
    def mean_batch(self) -> float:
        """Requests per batch; 0 before the first."""
        count = sum(self.batches.values())
        return sum(size * times for size, times in self.batches.items()) / count if count else 0.0

    def percentile(self, share: float) -> float:
        """The latency in seconds that this share of the recent requests stayed within; 0 before the first."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def total(parts: Sequence[Stats]) -> Stats:
    """Several workers as one."""
    return Stats(
        waiting=sum(one.waiting for one in parts),
        running=sum(one.running for one in parts),
        answered=sum(one.answered for one in parts),
        failed=sum(one.failed for one in parts),
        batches=sum((Counter(one.batches) for one in parts), Counter()),
        seconds=[second for one in parts for second in one.seconds],
        hits=sum(one.hits for one in parts),
        misses=sum(one.misses for one in parts),
        cached_bytes=sum(one.cached_bytes for one in parts),
        out_of_memory=sum(one.out_of_memory for one in parts),
        largest=min((one.largest for one in parts), default=0),
    )


class Meter:
    """Counts what a worker does."""

    def __init__(self) -> None:
        self.answered = self.failed = self.finished = 0
        self.batches: Counter[int] = Counter()
        self.seconds: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, seconds: Sequence[float], failed: int) -> None:
        """One batch is done: how long each of its requests took, and how many came to nothing."""
        self.finished += 1
        self.answered += len(seconds)
        self.failed += failed
        self.batches[len(seconds)] += 1
        self.seconds.extend(seconds)
