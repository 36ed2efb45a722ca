"""The loop on a network of four numbers: it learns, stops on budget, and resumes as if it had not stopped."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from foveal.training.loop import CHECKPOINT, CURVES, LOG, Numbers, Options, fit, rate_at


class Line:
    """Learns y = 2 x - 1."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model: Any = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
        self.losses: list[float] = []
        self.exported = 0

    def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
        x = torch.randn(16, 1, generator=torch.Generator().manual_seed(step))
        error = (self.model(x) - (2 * x - 1)).square().mean()
        self.losses.append(float(error.detach()))
        return error, {"progress": progress}

    def export(self, model: Any, out: Path) -> None:
        self.exported += 1


def options(out: Path, steps: int, **more: Any) -> Options:
    return Options(out=out, steps=steps, rate=0.05, warm=5, **more)


def test_the_loss_falls_and_is_logged(tmp_path: Path) -> None:
    line = Line()
    fit(line, options(tmp_path, 80))
    assert sum(line.losses[-10:]) < 0.3 * sum(line.losses[:10])
    rows = [json.loads(row) for row in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40, 60, 80]
    assert line.exported == 1


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    whole = fit(Line(), options(tmp_path / "whole", 20)).state_dict()

    class Cut(Line):
        def loss(self, step: int, progress: float) -> tuple[Tensor, Numbers]:
            if step == 9:
                raise KeyboardInterrupt
            return super().loss(step, progress)

    part = options(tmp_path / "part", 20, save_minutes=1e-9)
    try:
        fit(Cut(), part)
    except KeyboardInterrupt:
        assert (tmp_path / "part" / CHECKPOINT).is_file()
    rest = Line()
    resumed = fit(rest, part).state_dict()
    assert len(rest.losses) == 11
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    fit(Line(), options(tmp_path, 5))
    again = Line()
    fit(again, options(tmp_path, 5))
    assert again.losses == []


def test_without_resume_training_starts_over(tmp_path: Path) -> None:
    fit(Line(), options(tmp_path, 5))
    again = Line()
    fit(again, options(tmp_path, 5, resume=False))
    assert len(again.losses) == 5


def test_what_is_logged_is_drawn(tmp_path: Path) -> None:
    fit(Line(), options(tmp_path, 40))
    assert (tmp_path / CURVES).stat().st_size > 1000


def test_the_clock_ends_training(tmp_path: Path) -> None:
    line = Line()
    fit(line, Options(out=tmp_path, minutes=0.002))
    assert line.losses


def test_the_rate_rises_and_falls(tmp_path: Path) -> None:
    chosen = options(tmp_path, 100)
    rates = [rate_at(step, step / 100, chosen) for step in range(100)]
    assert rates[0] < rates[4] > rates[50] > rates[99] > 0


@pytest.mark.parametrize("name", ["detector", "segmenter", "depth", "model"])
@pytest.mark.parametrize("field", ["minutes", "rate", "clip", "batch", "warm"])
def test_no_recipe_drops_a_limit(name: str, field: str) -> None:
    """A subclass that only changes a default keeps what may be given."""
    module = import_module(f"foveal.training.{name}")
    kind = getattr(module, f"{name.title()}Options")
    with pytest.raises(ValidationError, match=field):
        kind(**{field: 0})


def test_hours_replace_minutes(tmp_path: Path) -> None:
    assert Options(out=tmp_path, minutes=3).budget == 180
    assert Options(out=tmp_path, minutes=3, hours=0.5).budget == 1800
    with pytest.raises(ValidationError):
        Options(out=tmp_path, hours=-1)
