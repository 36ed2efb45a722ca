"""`agent run --model` with a vision chat model: from the command to every kind of action, and an answer."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.cli import main
from foveal.graphs.replay import replay
from foveal.graphs.trace import read

KINDS = ("look", "detect", "segment", "depth", "read")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A dark square on grey noise, 120 x 90."""
    pixels = np.random.default_rng(0).integers(100, 140, (90, 120, 3)).astype(np.uint8)
    pixels[20:60, 30:80] = 0
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def ask(photo: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command and returns the JSON object that it printed."""

    def run(model: Path, *options: str) -> Any:
        words = ["run", "--image", str(photo), "--question", "How many?", "--json"]
        capsys.readouterr()
        assert main([*words, "--model", str(model), *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_each_action_from_the_command_to_an_answer(
    ask: Any, chat_folder: Any, photo: Path, tmp_path: Path, kind: str
) -> None:
    folder = chat_folder("qwen2_vl", eager=True)
    told = ask(folder, "--tools", kind, "--max-hops", "1", "--trace", str(tmp_path))
    assert [hop["action"]["kind"] for hop in told["hops"]] == [kind]
    assert (told["tools"], told["ended_by"], told["profile"]) == ([kind], "hops", folder.name)
    assert told["answer"]
    assert 0 < told["confidence"] <= 1
    assert told["usage"]["visual"] > 0
    events = read(told["trace"])
    assert [event.kind for event in events if event.kind in ("thought", "returned", "finished")] == [
        "thought", "returned", "thought", "finished",
    ]  # fmt: skip
    again = asyncio.run(replay(told["trace"], str(photo)))
    assert (again.answer, again.confidence) == (told["answer"], told["confidence"])
    assert [hop.action.model_dump(mode="json") for hop in again.hops] == [
        hop["action"] for hop in told["hops"]
    ]


def test_with_no_tools_it_only_answers(ask: Any, chat_folder: Any) -> None:
    told = ask(chat_folder("qwen2_vl", eager=True), "--tools", "none")
    assert (told["hops"], told["tools"], told["ended_by"]) == ([], [], "answer")
    assert told["answer"]


def test_a_crop_costs_visual_tokens(ask: Any, chat_folder: Any) -> None:
    folder = chat_folder("qwen2_vl", eager=True)
    looked = ask(folder, "--tools", "look", "--max-hops", "1")["usage"]
    answered = ask(folder, "--tools", "none")["usage"]
    assert looked["visual"] > answered["visual"]
    assert looked["prefilled"] < 2 * answered["prefilled"] + 1500


@pytest.mark.parametrize(
    "family", ["qwen2_5_vl", "qwen3_vl", "internvl", "llava_onevision", "smolvlm"]
)
def test_each_family_looks_again_in_its_own_pixels(ask: Any, chat_folder: Any, family: str) -> None:
    told = ask(chat_folder(family, eager=True), "--tools", "look", "--max-hops", "2")
    assert [hop["action"]["kind"] for hop in told["hops"]] == ["look", "look"]
    assert told["hops"][0]["action"]["target"]["kind"] == "area"
    assert told["answer"]
    assert told["usage"]["afresh"] == 0
    assert told["notes"] == []


def test_a_model_without_an_adapter_and_one_from_a_file(
    ask: Any, chat_folder: Any, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chat_folder("llava", eager=True)
    told = ask(folder, "--tools", "read", "--max-hops", "1")
    assert told["usage"]["afresh"] == 1
    assert [note for note in told["notes"] if "before a turn the whole conversation" in note]
    assert not ask(folder, "--tools", "none")["notes"]
    profile = tmp_path / "mine.toml"
    profile.write_text(
        f'backend = "chat"\nmodel = "{folder}"\nsystem = "Be brief."\n', encoding="utf-8"
    )
    words = ["run", "--image", str(photo), "--question", "?", "--tools", "none", "--json"]
    assert main([*words, "--profile", str(profile)]) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "mine"


def test_a_folder_that_is_no_chat_model_is_one_line(
    chat_folder: Any, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(
        (chat_folder("qwen2_vl") / "config.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    words = ["run", "--image", str(photo), "--question", "?", "--model", str(tmp_path)]
    capsys.readouterr()
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert "cannot be loaded as a vision chat model" in err
