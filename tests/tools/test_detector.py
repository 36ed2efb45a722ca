"""Detect: boxes in original pixels, left to right, by phrase; the network runs once per image."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Look, Object
from foveal.agent.errors import SetupError
from foveal.agent.observations import Detected
from foveal.tools.base import Request
from foveal.tools.detector import Detector

NAMES = ["red cube", "blue cube", "red sphere"]
WIDE = np.zeros((100, 200, 3), np.uint8)
Row = tuple[float, float, float, float, float, int]


class Sees:
    """A network that answers with these boxes (left, top, right, bottom in its square input), score and class."""

    def __init__(self, *rows: Row) -> None:
        self.rows, self.calls = rows, 0

    def to(self, _: str) -> "Sees":
        return self

    def __call__(self, inputs: Any) -> Any:
        import torch

        self.calls += 1
        raw = torch.zeros(len(inputs), 4 + len(NAMES), max(len(self.rows), 1))
        for n, (x0, y0, x1, y1, score, index) in enumerate(self.rows):
            raw[:, :4, n] = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
            raw[:, 4 + index, n] = score
        return raw


def detector(*rows: Row) -> Detector:
    return Detector(Sees(*rows), {"names": NAMES, "image_size": 64})


def ask(one: Detector, phrase: str, pixels: NDArray[np.uint8] = WIDE, image: str = "a") -> Detected:
    found = one.run([Request(Detect(phrase=phrase), image, pixels)])[0].observation
    assert isinstance(found, Detected)
    return found


# The 100 x 200 image fills rows 16 to 48 of the 64 x 64 input: one of its pixels is 3.125 of ours.
RIGHT: Row = (40, 20, 60, 40, 0.9, 0)
LEFT: Row = (2, 20, 12, 30, 0.8, 1)
MIDDLE: Row = (20, 16, 30, 26, 0.7, 2)


def test_boxes_are_in_original_pixels_left_to_right() -> None:
    found = ask(detector(RIGHT, LEFT, MIDDLE), "things")
    assert [one.label for one in found.objects] == ["blue cube", "red sphere", "red cube"]
    assert found.objects[0].box.xyxy == pytest.approx((6.25, 12.5, 37.5, 43.75), abs=0.051)
    assert found.objects[0].box.image == "a"
    assert [one.score for one in found.objects] == pytest.approx([0.8, 0.7, 0.9])
    assert {one.index for one in found.objects} == {0}


def test_phrases_choose_and_the_unknown_is_said() -> None:
    found = ask(detector(RIGHT, LEFT, MIDDLE), "red things . dogs")
    assert [one.label for one in found.objects] == ["red sphere", "red cube"]
    assert found.unknown == ("dogs",)
    assert found.phrase == "red things . dogs"


def test_one_object_is_found_once_whatever_its_class() -> None:
    found = ask(detector(RIGHT, (41, 20, 60, 40, 0.6, 1)), "things")
    assert [one.label for one in found.objects] == ["red cube"]


def test_boxes_in_the_padding_are_dropped_and_others_cut_at_the_border() -> None:
    found = ask(detector((10, 0, 20, 10, 0.9, 0), (-5, 20, 10, 60, 0.9, 1)), "things")
    assert [one.box.xyxy for one in found.objects] == [
        pytest.approx((0, 12.5, 31.25, 100), abs=0.051)
    ]


def test_weak_boxes_are_not_reported() -> None:
    assert ask(detector((1, 20, 9, 30, 0.2, 0)), "things").objects == ()


def test_a_second_question_about_an_image_runs_no_network() -> None:
    one = detector(RIGHT)
    ask(one, "cubes")
    assert ask(one, "red cubes").objects
    assert one._model.calls == 1
    ask(one, "cubes", image="b")
    assert one._model.calls == 2


def test_a_batch_runs_the_network_once_and_keeps_order() -> None:
    one = detector(RIGHT, LEFT)
    asked = [("red cube", "a"), ("red cubes", "b"), ("dog", "a"), ("things", "c")]
    tall = WIDE.transpose(1, 0, 2)
    batch = [Request(Detect(phrase=p), i, tall if i == "b" else WIDE) for p, i in asked]
    seen = [reply.observation for reply in one.run(batch)]
    assert [len(s.objects) for s in seen if isinstance(s, Detected)] == [1, 1, 0, 2]
    assert one._model.calls == 1


def test_other_actions_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot look"):
        detector().run([Request(Look(target=Object(index=1)), "a", WIDE)])


def test_from_the_files_that_training_writes(tiny_weights: Path, photo: NDArray[np.uint8]) -> None:
    one = Detector.from_folder(tiny_weights)
    one.warm_up()
    assert len(one.names) == 48
    alone = ask(one, "things", photo)
    assert alone == ask(Detector.from_folder(tiny_weights), "things", photo)


def checkpoint(folder: Path) -> Path:
    """As ultralytics saves a model."""
    import torch

    from foveal.agent.weights import load_config, load_into
    from foveal.tools.builders import build_detector

    config = load_config(folder / "detector.yaml")
    model = load_into(build_detector(config), folder / "detector.safetensors")
    path = folder / "mine.pt"
    torch.save({"model": model.half(), "ema": None, "train_args": {"imgsz": 64}}, path)
    return path


def test_a_checkpoint_of_your_own_needs_its_checksum(
    tiny_weights: Path, photo: NDArray[np.uint8]
) -> None:
    path = checkpoint(tiny_weights)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    one = Detector.from_checkpoint(path, right.upper())
    assert len(one.names) == 48
    ask(one, "things", photo)
    with pytest.raises(SetupError, match="has SHA-256"):
        Detector.from_checkpoint(path, "0" * 64)
