"""`agent run` about several images."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
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


def test_a_batch_asks_about_several_images_and_keeps_which_is_which(
    picture: Path, second: Path, recited: Any, tmp_path: Path
) -> None:
    recited(FIND_2, "the second")
    row = {"id": "pair", "image": [picture.name, second.name], "question": "Which one?"}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    arguments = ["batch", str(tmp_path / "questions.jsonl"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--base-url", ADDRESS, "--model", "any"]) == 0
    (record,) = map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    assert (record["answer"], record["image"]) == ("the second", ["picture.png", "second.png"])
    assert len(record["images"]) == 2
    assert record["content"] == record["images"][0]
    assert [hop["image"] for hop in record["hops"]] == [2]
    (stored,) = pq.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert json.loads(stored["image"]) == record["image"]
    assert stored["images"] == record["images"]
    assert [piece["image"] for piece in stored["evidence"]] == [2, 2]


def test_a_batch_with_a_model_that_takes_one_image_fails_only_where_there_are_two(
    picture: Path, second: Path, recited: Any, tmp_path: Path
) -> None:
    recited("2")
    rows: list[dict[str, Any]] = [
        {"image": [picture.name, second.name]},
        {"image": [picture.name]},
        {"image": second.name},
    ]
    text = "".join(json.dumps(row | {"question": "?"}) + "\n" for row in rows)
    (tmp_path / "questions.jsonl").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    assert main(["batch", str(tmp_path / "questions.jsonl"), "--out", str(out)]) == 1
    (failure,) = map(json.loads, (out / "failures.jsonl").read_text().splitlines())
    assert failure["image"] == ["picture.png", "second.png"]
    assert "takes one image a question" in failure["reason"]
    assert len((out / "results.jsonl").read_text().splitlines()) == 2
