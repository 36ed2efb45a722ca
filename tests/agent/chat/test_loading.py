"""What a folder must hold to be a vision chat model, and what is said when it does not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foveal.agent.chat.family import FAMILIES
from foveal.agent.chat.loading import load
from foveal.agent.errors import SetupError


@pytest.fixture
def copied(chat_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A checkpoint to be changed."""
    made = tmp_path / "model"
    shutil.copytree(chat_folder("qwen2_vl"), made)
    return made


def changed(path: Path, **values: Any) -> None:
    settings = json.loads(path.read_text(encoding="utf-8")) | values
    path.write_text(json.dumps(settings), encoding="utf-8")


@pytest.mark.parametrize("family", [*FAMILIES, "llava"])
def test_each_family_is_loaded_by_the_auto_classes(chat_folder: Any, family: str) -> None:
    loaded = load(chat_folder(family))
    assert loaded.network.dtype == torch.float32
    assert not loaded.network.training
    assert loaded.processor.tokenizer.eos_token_id in loaded.ends
    assert loaded.processor.tokenizer.eos_token in loaded.special
    assert loaded.processor.image_token in loaded.special


def test_what_a_checkpoint_suggests_for_chatting_is_not_heeded(copied: Path) -> None:
    changed(
        copied / "generation_config.json",
        do_sample=True, temperature=0.01, repetition_penalty=1.05, eos_token_id=[334, 332, 99999],
    )  # fmt: skip
    loaded = load(copied)
    assert set(loaded.ends) == {334, 332}
    used = loaded.network.generation_config
    assert (used.do_sample, used.repetition_penalty) == (False, None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("config.json", "cannot be loaded as a vision chat model"),
        ("model.safetensors", "cannot be loaded as a vision chat model"),
        ("tokenizer.json", "cannot be loaded as a vision chat model"),
        ("processor_config.json", "cannot be loaded as a vision chat model|no processor for words"),
        ("chat_template.jinja", "has no chat template"),
    ],
)
def test_a_missing_file_is_a_setup_error(copied: Path, name: str, reason: str) -> None:
    (copied / name).unlink()
    with pytest.raises(SetupError, match=reason):
        load(copied)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ messages[0]['content'][-1]['text'] }}", "has no place for pictures"),
        ("{{ messages[0]['content'] + '!' }}", "cannot be loaded as a vision chat model: can only"),
        ("{% if %}", "cannot be loaded as a vision chat model"),
    ],
)
def test_a_template_for_words_alone(copied: Path, template: str, reason: str) -> None:
    (copied / "chat_template.jinja").write_text(template, encoding="utf-8")
    with pytest.raises(SetupError, match=reason):
        load(copied)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_a_setup_error(copied: Path, name: str) -> None:
    (copied / name).write_bytes((copied / name).read_bytes()[:60])
    with pytest.raises(SetupError, match="cannot be loaded as a vision chat model"):
        load(copied)


def test_tensors_that_are_missing_are_not_made_up(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copied / "model.safetensors")
    name = next(name for name in state if name.endswith("q_proj.weight"))
    save_file(
        {n: t for n, t in state.items() if n != name},
        copied / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(SetupError, match=r"1 missing keys, first .*q_proj\.weight"):
        load(copied)
    save_file(state | {name: torch.zeros(3, 3)}, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(SetupError, match=r"do not fit the model|cannot be loaded"):
        load(copied)


def test_pickles_are_not_loaded(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    torch.save({}, copied / "pytorch_model.bin")
    with pytest.raises(SetupError, match="cannot be loaded as a vision chat model"):
        load(copied)


def test_code_in_a_folder_is_never_run(copied: Path) -> None:
    changed(
        copied / "config.json",
        model_type="custom", auto_map={"AutoConfig": "evil.C", "AutoModelForImageTextToText": "evil.M"},
    )  # fmt: skip
    (copied / "evil.py").write_text("raise SystemExit('run')", encoding="utf-8")
    with pytest.raises(SetupError, match="cannot be loaded as a vision chat model"):
        load(copied)


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there(copied: Path, device: str) -> None:
    with pytest.raises(SetupError, match=f"device '{device}' cannot be used"):
        load(copied, device)


def test_a_model_that_never_ends_its_turns(copied: Path) -> None:
    changed(copied / "generation_config.json", eos_token_id=None)
    changed(copied / "tokenizer_config.json", eos_token=None)
    changed(copied / "config.json", eos_token_id=None)
    settings = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    settings["text_config"]["eos_token_id"] = None
    (copied / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(SetupError, match="does not say which token ends a turn"):
        load(copied)
