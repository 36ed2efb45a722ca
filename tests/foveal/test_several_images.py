"""`agent run` about several images."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foveal.cli import main

FIND_2 = "<|detect_start|><|img_2|>red cube<|detect_end|>"
ADDRESS = "http://127.0.0.1:9/v1"
"""Nobody is there: the model recites."""


@pytest.fixture
def second(tmp_path: Path) -> Path:
    path = tmp_path / "second.png"
    Image.new("RGB", (80, 60), "white").save(path)
    return path


@pytest.fixture
def ask_both(picture: Path, second: Path, recited: Any) -> Any:
    """`agent run` about both pictures: the turns, then more options."""

    def run(turns: list[str], *options: str) -> int:
        recited(*turns)
        images = ["--image", str(picture), "--image", str(second)]
        return main(["run", *images, "--question", "Which one?", *options])

    return run


def test_the_json_tells_all_images(ask_both: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_both([FIND_2, "the second"], "--base-url", ADDRESS, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["answer"], len(told["images"]), told["sizes"]) == (
        "the second", 2, [[96, 64], [80, 60]],
    )  # fmt: skip
    assert told["image"] == told["images"][0] != told["images"][1]
    assert [hop["image"] for hop in told["hops"]] == [2]
    assert {piece["image"] for piece in told["evidence"]} == {2}


def test_hops_tell_the_image(ask_both: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_both([FIND_2, "the second"], "--base-url", ADDRESS, "--hops") == 0
    assert 'detect "red cube" in image 2' in capsys.readouterr().out


def test_the_json_about_one_image_says_nothing_of_several(
    picture: Path, recited: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    recited("<|detect_start|>red cube<|detect_end|>", "2")
    assert main(["run", "--image", str(picture), "--question", "?", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not {"images", "sizes"} & told.keys()
    assert "image" not in {*told["hops"][0], *told["hops"][0]["action"], *told["evidence"][0]}


def test_the_embedded_profile_takes_one(ask_both: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_both(["2"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "profile 'embedded' takes one image a question, got 2; use --profile openai" in err


def test_stdin_holds_one(recited: Any, capsys: pytest.CaptureFixture[str]) -> None:
    recited("2")
    assert main(["run", "--image", "-", "--image", "-", "--question", "?"]) == 2
    assert "stdin holds one image" in capsys.readouterr().err
