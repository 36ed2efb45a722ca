"""Depth: nearest first, whichever way the network counts; a map is computed once per image."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Depth, Read
from foveal.agent.observations import Box, Ranged
from foveal.tools.base import Mark, Reply, Request
from foveal.tools.depth import DepthEstimator

CONFIG: dict[str, Any] = {
    "image_size": 56, "mean": [0, 0, 0], "std": [1, 1, 1], "model": {"patch_size": 14}
}  # fmt: skip
WIDE = np.zeros((100, 200, 3), np.uint8)


class Ramp:
    """A network that sees values rise from left to right, from 5 to 9."""

    def to(self, _: str) -> "Ramp":
        return self

    def __call__(self, pixel_values: Any) -> Any:
        import torch

        _, _, rows, columns = pixel_values.shape
        return SimpleNamespace(
            predicted_depth=torch.linspace(5, 9, columns).expand(1, rows, columns).clone()
        )


def estimator(polarity: str) -> DepthEstimator:
    return DepthEstimator(Ramp(), CONFIG | {"polarity": polarity})


def mark(x0: float, x1: float, index: int) -> Mark:
    return Mark(Box(image="a", xyxy=(x0, 10, x1, 90)), index, f"thing {index}")


def ask(one: DepthEstimator, *marks: Mark) -> Reply:
    return one.run([Request(Depth(), "a", WIDE, marks)])[0]


def ranges(reply: Reply) -> list[tuple[int, float]]:
    assert isinstance(reply.observation, Ranged)
    return [(one.index, one.depth) for one in reply.observation.ranges]


def test_nearest_comes_first() -> None:
    marks = [mark(150, 200, 1), mark(0, 50, 2), mark(90, 110, 3)]
    assert [index for index, _ in ranges(ask(estimator("near_low"), *marks))] == [2, 3, 1]
    assert [index for index, _ in ranges(ask(estimator("near_high"), *marks))] == [1, 3, 2]


def test_depth_runs_from_0_to_1_and_is_read_in_the_middle_of_the_box() -> None:
    found = dict(
        ranges(ask(estimator("near_low"), mark(0, 200, 1), mark(0, 20, 2), mark(180, 200, 3)))
    )
    assert found[1] == pytest.approx(0.5, abs=0.02)
    assert found[2] == pytest.approx(0.05, abs=0.03)
    assert found[3] == pytest.approx(0.95, abs=0.03)


def test_a_target_smaller_than_a_cell_still_has_a_depth() -> None:
    found = ranges(ask(estimator("near_low"), mark(199.5, 200, 1), mark(0, 0.5, 2)))
    assert [index for index, _ in found] == [2, 1]
    assert [depth for _, depth in found] == pytest.approx([0, 1], abs=0.02)


@pytest.mark.parametrize(("polarity", "bright"), [("near_low", 0), ("near_high", -1)])
def test_the_picture_is_grey_and_near_is_bright(polarity: str, bright: int) -> None:
    [picture] = ask(estimator(polarity)).pictures
    assert picture.role == "depth"
    assert list(picture.source.xyxy) == [0, 0, 200, 100]
    assert picture.pixels.shape == (28, 56, 3)
    assert (picture.pixels[:, bright] == 255).all()
    assert (picture.pixels == picture.pixels[:, :, :1]).all()


def test_without_targets_there_is_only_the_picture() -> None:
    assert ranges(ask(estimator("near_low"))) == []


def test_a_map_is_computed_once() -> None:
    one = estimator("near_low")
    ask(one)
    ask(one, mark(0, 50, 1))
    assert one.estimated == 1


def test_a_flat_prediction_divides_nothing_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    flat = lambda *a, **k: SimpleNamespace(predicted_depth=torch.ones(1, 28, 56))  # noqa: E731
    monkeypatch.setattr(Ramp, "__call__", flat)
    assert ranges(ask(estimator("near_low"), mark(0, 50, 1))) == [(1, 0.0)]


def test_other_actions_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot read"):
        estimator("near_low").run([Request(Read(), "a", WIDE)])


def test_from_the_files_that_training_writes(tiny_weights: Path, photo: NDArray[np.uint8]) -> None:
    one = DepthEstimator.from_folder(tiny_weights)
    one.warm_up()
    first, second = (one.run([Request(Depth(), "a", photo, (mark(30, 60, 1),))])[0] for _ in "ab")
    assert first.observation == second.observation
    assert 0 <= ranges(first)[0][1] <= 1


def test_the_map_comes_along_for_people_where_no_picture_is_drawn() -> None:
    one = DepthEstimator(Ramp(), CONFIG | {"polarity": "near_low"}, draws=False)
    reply = ask(one, mark(0, 50, 1))
    assert reply.pictures == ()
    assert reply.map is not None
    assert reply.map.dtype == np.uint8
    assert reply.map.shape == (28, 56)
    assert (reply.map[0, 0], reply.map[0, -1]) == (255, 0)
