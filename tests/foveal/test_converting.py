"""`agent weights convert`: the same model in a better layout, whole or not at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from foveal.agent.checkpoint.building import build, tensors
from foveal.agent.checkpoint.encoders import DINOV2_LARGE, load_encoder
from foveal.agent.errors import InputError, SetupError
from foveal.agent.weights import SUMS, checksums, verify
from foveal.cli import main
from foveal.converting import convert

DATA = Path(__file__).parents[1] / "data" / "vpt"
Copy = Callable[[str], Path]


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def same(one: Any, other: Any) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)


@torch.inference_mode()
def logits(network: Any) -> torch.Tensor:
    tokens = torch.arange(40)[None]
    out: torch.Tensor = network(input_ids=tokens, use_cache=False).logits
    return out


@pytest.fixture(params=["clip", "detection", "seg"])
def released(request: pytest.FixtureRequest, seg_checkpoint: Path) -> Path:
    return seg_checkpoint if request.param == "seg" else DATA / request.param


def test_the_result_is_the_same_model(released: Path, tmp_path: Path) -> None:
    assert convert(released, tmp_path / "new") == 0
    before, after = build(released), build(tmp_path / "new")
    (variant,) = before.projectors
    assert (after.layout.variant, [*after.projectors]) == (variant, [variant])
    assert same(before.network, after.network)
    assert logits(before.network).equal(logits(after.network))
    assert same(before.projectors[variant], after.projectors[variant])
    assert same(load_encoder(released, variant), load_encoder(tmp_path / "new", variant))
    assert before.tokenizer.get_vocab() == after.tokenizer.get_vocab()


def test_nothing_is_left_to_be_guessed(checkpoint_copy: Copy, tmp_path: Path) -> None:
    folder = checkpoint_copy("detection")
    old = {"model_type": "vrt_qwen2_vl", "vision_encoder_ls": None, "detection_action_id": None}
    (folder / "config.json").write_text(json.dumps(config_of(folder) | old), encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    convert(folder, tmp_path / "new")
    config = config_of(tmp_path / "new")
    assert config["model_type"] == "qwen2_vl_vpt"
    assert config["vision_encoder_ls"] == ["dino"]
    assert (config["para_mask_id"], config["para_mask_ratio"], config["use_cache"]) == (0, 0, True)
    assert (config["detection_action_id"], config["detection_image_token_id"]) == (290, 270)
    assert config["detection_config"] == config_of(folder)["detection_config"]
    assert (tmp_path / "new" / "tokenizer.json").is_file()
    names = tensors(tmp_path / "new")
    assert "model.language_model.norm.weight" in names
    assert "lm_head.weight" not in names, "it is the embedding"


def test_the_sizes_of_the_large_encoders_are_written_down(
    checkpoint_copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the released checkpoints, whose config.json does not tell them."""
    folder = checkpoint_copy("detection")
    large = config_of(folder)
    tiny = large.pop("detection_config")
    (folder / "config.json").write_text(json.dumps(large), encoding="utf-8")
    with pytest.raises(SetupError, match='give "detection_config"'):
        convert(folder, tmp_path / "new")
    for name in DINOV2_LARGE:
        monkeypatch.setitem(DINOV2_LARGE, name, tiny.get(name, DINOV2_LARGE[name]))
    convert(folder, tmp_path / "new")
    assert config_of(tmp_path / "new")["detection_config"] == DINOV2_LARGE


def test_every_file_is_listed_and_intact(tmp_path: Path) -> None:
    convert(DATA / "clip", tmp_path / "new")
    files = {path.name for path in (tmp_path / "new").iterdir()} - {SUMS}
    assert files == checksums(tmp_path / "new").keys()
    assert "pytorch_model.bin" not in files
    for name in files:
        verify(tmp_path / "new" / name)
    modes = {path.stat().st_mode for path in (tmp_path / "new").iterdir()}
    assert len(modes) == 1, "whoever may read one may read all"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_large_weights_are_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert(DATA / "clip", tmp_path / "new", largest=300_000)
    parts = sorted((tmp_path / "new").glob("model-*-of-*.safetensors"))
    assert len(parts) > 2
    assert all(path.stat().st_size < 330_000 for path in parts)
    assert same(build(DATA / "clip").network, build(tmp_path / "new").network)
    told = capsys.readouterr()
    assert told.err.count("writing model-") == len(parts)
    assert told.out == ""


def test_numbers_keep_their_precision(checkpoint_copy: Copy, tmp_path: Path) -> None:
    """Whatever it is, and though tensors may be parts of one memory."""
    folder = checkpoint_copy("clip")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    flat = torch.cat([state["model.norm.weight"], state["visual.merger.ln_q.bias"]]).bfloat16()
    state |= {"model.norm.weight": flat[:64], "visual.merger.ln_q.bias": flat[64:]}
    torch.save(state, folder / "pytorch_model.bin")
    convert(folder, tmp_path / "new")
    found = tensors(tmp_path / "new")
    assert found["model.language_model.norm.weight"].dtype == torch.bfloat16
    assert found["model.visual.merger.ln_q.bias"].equal(flat[64:])
    assert found["model.visual.merger.ln_q.weight"].dtype == torch.float32


def test_a_head_of_its_own_is_kept(checkpoint_copy: Copy, tmp_path: Path) -> None:
    folder = checkpoint_copy("clip")
    untied = config_of(folder) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(untied), encoding="utf-8")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save(state | {"lm_head.weight": torch.ones(320, 64)}, folder / "pytorch_model.bin")
    convert(folder, tmp_path / "new")
    assert build(tmp_path / "new").network.lm_head.weight.eq(1).all()


def test_what_was_converted_can_be_converted(tmp_path: Path) -> None:
    convert(DATA / "detection", tmp_path / "one")
    convert(tmp_path / "one", tmp_path / "two")
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")


def test_our_own_weights(tmp_path: Path) -> None:
    own = Path(__file__).parents[2] / "weights"
    convert(own, tmp_path / "new")
    assert build(tmp_path / "new").layout.variant is None
    assert "para_mask_id" not in config_of(tmp_path / "new")
    assert not (tmp_path / "new" / "detector.safetensors").exists()


def test_a_full_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x", encoding="utf-8")
    for destination in (tmp_path, tmp_path / "kept"):
        with pytest.raises(InputError, match="is there already and not empty; name a new folder"):
            convert(DATA / "clip", destination)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    convert(DATA / "clip", tmp_path / "new")
    convert(DATA / "clip", tmp_path / "a" / "b" / "new")
    assert (tmp_path / "new" / SUMS).is_file()
    assert (tmp_path / "a" / "b" / "new" / SUMS).is_file()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_comes_to_no_end_leaves_nothing(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    kind = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind):
        convert(DATA / "clip", tmp_path / "new")
    assert [*tmp_path.iterdir()] == []


def test_a_full_disk_is_noticed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(SetupError, match=r"GB are needed in .*; name a folder on another disk"):
        convert(DATA / "clip", tmp_path / "new")
    assert [*tmp_path.iterdir()] == []


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = str(tmp_path / "new")
    assert main(["weights", "convert", str(DATA / "clip"), new]) == 0
    assert f"agent run --model {new}" in capsys.readouterr().err
    assert main(["weights", "convert", str(DATA / "clip"), new]) == 2
    assert main(["weights", "convert", str(tmp_path / "absent"), new + "er"]) == 2
    assert main(["weights", "convert", str(tmp_path), new + "er"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("agent: ")]
    assert ["not empty" in lines[0], "no folder" in lines[1], "config.json" in lines[2]] == [
        True
    ] * 3
