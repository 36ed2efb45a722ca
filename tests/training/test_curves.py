"""Curves show what was logged, once."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.training.curves import draw, read, smoothed


def written(path: Path, *rows: dict[str, float]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_row_written_again_after_resuming_counts_once(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log.jsonl",
        {"step": 20, "seconds": 1.0, "loss": 3.0},
        {"step": 40, "seconds": 2.0, "loss": 2.0},
        {"step": 40, "seconds": 2.5, "loss": 1.5, "right": 0.5},
    )
    assert read(log) == {"loss": ([20, 40], [3.0, 1.5]), "right": ([40], [0.5])}


def test_smoothing_keeps_a_line_and_its_ends() -> None:
    assert smoothed([2.0] * 50) == pytest.approx(np.full(50, 2.0))
    noisy = list(np.random.default_rng(0).normal(1, 1, 400))
    assert np.std(smoothed(noisy)) < 0.4 < np.std(noisy)


def test_there_is_a_plot_for_every_number_and_none_of_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "log.jsonl", tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    sizes = []
    for count in (1, 5):
        rows = [
            {"step": 20.0 * n, **{f"n{i}": 1.0 / (n + i) for i in range(count)}} for n in (1, 2)
        ]
        draw(written(tmp_path / "log.jsonl", *rows), tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as image:
            sizes.append(image.size)
            assert np.asarray(image.convert("L")).std() > 5
    assert sizes[1][1] == 2 * sizes[0][1]
