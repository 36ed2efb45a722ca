"""What a training has logged, as a picture: each number over the updates."""

import json
import math
from pathlib import Path

import numpy as np

from foveal.tools.extras import needs

WIDTH, HEIGHT = 3.6, 2.4
"""Inches of one number's plot."""
DPI = 100
ACROSS = 3
"""Plots side by side."""
SMOOTH = 25
"""Rows of the log that a point of the smooth line is the mean of, at most."""
AXIS = "step"
LEFT_OUT = ("seconds", "norm")


def draw(log: Path, path: Path) -> None:
    """Draw the numbers of a JSONL log, one row of them per line, into a PNG; nothing where there is no row yet.

    Raises SetupError without matplotlib.
    """
    with needs("train"):
        from matplotlib.figure import Figure
    series = read(log)
    if not series:
        return
    rows = math.ceil(len(series) / ACROSS)
    figure = Figure(figsize=(WIDTH * ACROSS, HEIGHT * rows), dpi=DPI, layout="constrained")
    for place, (name, (steps, values)) in enumerate(series.items(), start=1):
        axes = figure.add_subplot(rows, ACROSS, place)
        axes.plot(steps, values, ".", markersize=1.5, alpha=0.35)
        axes.plot(steps, smoothed(values))
        axes.set(title=name, xlabel=AXIS)
        axes.grid(alpha=0.3)
    figure.savefig(path)


def read(log: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Each number's steps and values; a row that was written twice, before and after resuming, counts once."""
    if not log.is_file():
        return {}
    rows: dict[float, dict[str, float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[row[AXIS]] = row
    series: dict[str, tuple[list[float], list[float]]] = {}
    for step, row in sorted(rows.items()):
        for name, value in row.items():
            if name != AXIS and name not in LEFT_OUT:
                steps, values = series.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return series


def smoothed(values: list[float]) -> np.ndarray:
    """The mean over neighbours, fewer of them at the ends."""
    wide = min(SMOOTH, max(1, len(values) // 4))
    kernel = np.ones(wide)
    total = np.convolve(values, kernel, mode="same")
    return np.asarray(total / np.convolve(np.ones(len(values)), kernel, mode="same"))
