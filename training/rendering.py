"""Shards of scenes rendered side by side, and how fast that goes."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from foveal.evals.splits import Split

Job = tuple[Path, int, int, Split]
"""Folder of a shard, its first scene, how many, and of what split."""
Write = Callable[[Path, int, int, Split], None]
"""Renders one shard; at the top of a module, so that other processes find it."""


def render(write: Write, jobs: Sequence[Job], workers: int) -> None:
    """Do every job, so many processes at a time; tells the rate on stderr after each."""
    began, done, wanted = time.perf_counter(), 0, sum(job[2] for job in jobs)
    for job in _each_done(write, jobs, min(workers, len(jobs))):
        done += job[2]
        rate = done / (time.perf_counter() - began)
        sys.stderr.write(f"rendered {done} of {wanted} scenes, {rate:.1f} scenes/s\n")


def _each_done(write: Write, jobs: Sequence[Job], workers: int) -> Iterator[Job]:
    if workers < 2:
        for job in jobs:
            write(*job)
            yield job
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = {pool.submit(write, *job): job for job in jobs}
        for one in as_completed(running):
            one.result()
            yield running[one]
