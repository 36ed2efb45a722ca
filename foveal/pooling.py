"""`agent pool`: shared pools raised, looked at and taken down, told line by line."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, TextIO

from rich.table import Table

from foveal.agent.choosing import choose
from foveal.agent.loudness import quiet
from foveal.agent.pools import merged, parsed
from foveal.graphs.agent import Agent
from foveal.graphs.carriers import crew, digest
from foveal.terminal import console, one_line, own_stdout, printable, waiting
from foveal.tools import ray_cluster
from foveal.tools.catalogue import ENCODER, specialist_for
from foveal.tools.ray_fleet import Standing, fleet_of, raise_pools, standing, take_down
from foveal.tools.ray_home import entered

CURE = "start one with `ray start --head`, or give --ray its address"


def up(profile: str | None, address: str, flags: list[str], specialists: Sequence[str] = ()) -> int:
    """Start the profile's pools, with progress on stderr. Returns 1 if some specialist has no replica yet."""
    over = parsed(flags)
    with own_stdout(), Agent(choose(profile, specialists=specialists)) as agent:
        agent.fetch()
        known = agent.profile
        pools = merged(known.pools, over)
        wanted = [specialist_for(kind) for kind in known.tools]
        names = list(dict.fromkeys([ENCODER, *wanted, *over]))
        with _joined(address):
            shared = (known.name, digest(known))
            ready = raise_pools(fleet_of(names, crew(known, pools), pools, shared), _tell)
    _tell(f"pools of {known.name!r} are up" if ready else "some specialists have no replica yet")
    return 0 if ready else 1


def status(address: str, as_json: bool) -> int:
    """Print every shared pool. Returns 1 when there is none."""
    with own_stdout() as out, _joined(address):
        found, stores = standing(), ray_cluster.stores()
        if as_json:
            out.write(json.dumps({"pools": [_row(one) for one in found], "stores": stores}) + "\n")
        else:
            _print(found, stores, out)
    return 0 if found else 1


def down(profile: str | None, address: str) -> int:
    """Stop the shared pools. Returns 1 when there was none."""
    with own_stdout(), _joined(address):
        ended = take_down(profile)
    for name in ended:
        _tell(f"stopped {name}")
    if not ended:
        _tell("there are no shared pools" + (f" of {profile!r}" if profile else ""))
    return 0 if ended else 1


@contextmanager
def _joined(address: str) -> Iterator[None]:
    with waiting("joining the cluster"):
        home = entered(address or "auto", CURE)
    try:
        yield
    finally:
        home.leave()


def _tell(line: str) -> None:
    if quiet():
        return
    sys.stderr.write(f"agent: {one_line(line)}\n")
    sys.stderr.flush()


def _row(one: Standing) -> dict[str, Any]:
    """One pool in JSON types; times in milliseconds."""
    stats = one.stats
    return {
        "profile": one.profile,
        "digest": one.digest,
        "specialist": one.specialist,
        "detached": one.detached,
        "replicas": sum(one.states.values()),
        "states": one.states,
        "restarts": one.restarts,
        "queue": stats.waiting + stats.running,
        "answered": stats.answered,
        "failed": stats.failed,
        "batch": {"mean": round(stats.mean_batch, 2), "sizes": dict(sorted(stats.batches.items()))},
        "p50_ms": round(stats.percentile(0.5) * 1000, 1),
        "p95_ms": round(stats.percentile(0.95) * 1000, 1),
        "cache": {"hits": stats.hits, "misses": stats.misses, "bytes": stats.cached_bytes},
        "out_of_memory": stats.out_of_memory,
    }


WIDTH = 120
"""Characters of a line that goes into a pipe."""
HEADINGS = ("up", "queue", "answered", "batch", "p50", "p95", "cache", "restarts")


def _print(found: list[Standing], stores: list[tuple[str, int, int]], out: TextIO) -> None:
    width = None if out.isatty() else WIDTH
    shown = console(out, width)
    for (profile, digest_), pools in groupby(found, lambda one: (one.profile, one.digest)):
        table = Table(printable(f"{profile} {digest_}"), box=None, padding=(0, 2, 0, 0))
        for heading in HEADINGS:
            table.add_column(heading, justify="right")
        for one in pools:
            table.add_row(*_cells(one))
        shown.print(table)
    if not found:
        shown.print("no shared pools; start them with `agent pool up`")
    for node, used, size in stores:
        shown.print(f"object store of {node}: {used / 2**20:.1f} of {size / 2**20:.0f} MB used")


def _cells(one: Standing) -> list[str]:
    row, stats = _row(one), one.stats
    others = [f"{n} {state.lower()}" for state, n in one.states.items() if state != "ALIVE"]
    asked = stats.hits + stats.misses
    return [
        one.specialist + ("" if one.detached else " (a driver's)"),
        ", ".join([f"{one.states.get('ALIVE', 0)}/{row['replicas']}", *others]),
        str(row["queue"]),
        str(stats.answered) + (f", {stats.failed} failed" if stats.failed else ""),
        f"{stats.mean_batch:.1f}" if stats.batches else "-",
        f"{row['p50_ms']:.0f} ms" if stats.batches else "-",
        f"{row['p95_ms']:.0f} ms" if stats.batches else "-",
        f"{stats.hits / asked:.0%}" if asked else "-",
        str(one.restarts),
    ]
