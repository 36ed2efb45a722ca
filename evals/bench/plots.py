"""Three curves: throughput against replicas, latency against hops, latency against the size of the image."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from foveal.agent.errors import InputError
from foveal.evals.bench.batching import CLIENTS, EACH, FIXED, dispatched
from foveal.evals.bench.overhead import per_hop
from foveal.evals.bench.timing import in_turn, typical
from foveal.evals.bench.transport import AS_PIL, FIRST, OURS, OVER_HTTP, journeys
from foveal.tools.extras import needs

REPLICAS = (1, 2, 4)
HOPS = (1, 5, 10, 20, 40)
SIZES = {"VGA": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
ROUNDS = 3
RUNS = 9
"""Of each number of hops in a round."""
WIDTH, HEIGHT, DPI = 6.4, 4.0, 120


@dataclass(frozen=True)
class Curves:
    """What a plot shows."""

    title: str
    across: str
    up: str
    at: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    names: Sequence[str] = ()
    """Of the places across, when they are so far apart that both axes are logarithmic."""


def throughput() -> Curves:
    """Requests per second of one pool, four times as many clients as its actors can take at once."""
    with ExitStack() as stack:
        contenders = {
            str(n): stack.enter_context(dispatched(n, CLIENTS * max(REPLICAS))) for n in REPLICAS
        }
        samples = in_turn(contenders, ROUNDS)
    rates = [samples[str(n)].median for n in REPLICAS]
    return Curves(
        f"One specialist, {1000 * FIXED:g} ms + {1000 * EACH:g} ms an image, "
        f"{CLIENTS * max(REPLICAS)} clients",
        "replicas",
        "requests per second",
        REPLICAS,
        {"foveal": rates, "in proportion": [rates[0] * n for n in REPLICAS]},
    )


def hops() -> Curves:
    """Milliseconds of a whole run, in this process, model and specialists taking no time."""
    with asyncio.Runner() as runner:
        contenders = {str(n): typical(partial(_run, runner, n), RUNS) for n in HOPS}
        samples = in_turn(contenders, ROUNDS)
    return Curves(
        "A run in this process, model and specialists taking no time",
        "hops",
        "milliseconds",
        HOPS,
        {"foveal": [1000 * samples[str(n)].median for n in HOPS]},
    )


def _run(runner: asyncio.Runner, count: int) -> float:
    """Seconds."""
    return count * runner.run(per_hop(count))


def sizes() -> Curves:
    """Milliseconds for a picture to a specialist in another process, and the reply back."""
    found = [journeys(size, ROUNDS) for size in SIZES.values()]
    return Curves(
        "A picture to a specialist in another process, and the reply back",
        "size of the picture",
        "milliseconds",
        [width * height / 1e6 for width, height in SIZES.values()],
        {
            name: [1000 * samples[name].median for samples in found]
            for name in (OVER_HTTP, AS_PIL, FIRST, OURS)
        },
        names=[f"{name}\n{width} x {height}" for name, (width, height) in SIZES.items()],
    )


PLOTS: dict[str, Callable[[], Curves]] = {
    "throughput-replicas": throughput,
    "latency-hops": hops,
    "latency-image-size": sizes,
}


def plots_named(only: Collection[str] | None) -> list[str]:
    """The names of the plots to draw. Raises InputError for one that does not exist."""
    for name in only or ():
        if name not in PLOTS:
            raise InputError(f"no plot {name!r}; known: {', '.join(PLOTS)}")
    return [name for name in PLOTS if not only or name in only]


def drawn(name: str, folder: Path) -> Path:
    """Measure and draw one plot; returns the PNG's path. Raises SetupError without matplotlib."""
    with needs("bench"):
        from matplotlib.figure import Figure
    curves = PLOTS[name]()
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    _draw(curves, figure.add_subplot())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path)
    return path


def _draw(curves: Curves, axes: Any) -> None:
    for label, values in curves.lines.items():
        dashed = "--" if label == "in proportion" else "-"
        axes.plot(curves.at, values, dashed, marker="o", label=label)
    if curves.names:
        axes.loglog()
        axes.minorticks_off()
        axes.set_xticks(curves.at, curves.names)
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xticks(curves.at)
        axes.set_ylim(bottom=0)
    axes.set(title=curves.title, xlabel=curves.across, ylabel=curves.up)
    axes.title.set_fontsize("medium")
    axes.grid(alpha=0.3)
    if len(curves.lines) > 1:
        axes.legend(frameon=False)
