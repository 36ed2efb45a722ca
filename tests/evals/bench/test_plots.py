"""Plots are drawn from what was measured."""

from pathlib import Path

import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.evals.bench import plots
from foveal.evals.bench.plots import PLOTS, Curves, drawn, plots_named


@pytest.mark.parametrize("names", [[], ["small", "medium", "large"]])
def test_a_plot_is_a_picture_with_its_lines(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {"foveal": [1.0, 2.0, 4.0], "in proportion": [1.0, 2.0, 4.0]}
    curves = Curves("title", "across", "up", (1, 2, 4), lines, names)
    monkeypatch.setitem(PLOTS, "latency-hops", lambda: curves)
    path = drawn("latency-hops", tmp_path / "new")
    assert path == tmp_path / "new" / "latency-hops.png"
    with Image.open(path) as image:
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 10


def test_names_of_plots() -> None:
    assert plots_named(None) == list(PLOTS)
    assert plots_named(["latency-hops"]) == ["latency-hops"]
    with pytest.raises(InputError, match=r"no plot 'x'; known: throughput-replicas"):
        plots_named(["x"])


def test_latency_against_hops_is_measured_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "HOPS", (1, 2))
    monkeypatch.setattr(plots, "ROUNDS", 1)
    monkeypatch.setattr(plots, "RUNS", 1)
    curves = plots.hops()
    assert list(curves.at) == [1, 2]
    assert all(value > 0 for value in curves.lines["foveal"])
