"""Weight files: every layout gives the same tensors; what is missing, damaged or harmful is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foveal.agent.checkpoint.tensor_files import names, read, weight_files
from foveal.agent.checkpoint.tensor_names import known, renamed, unused
from foveal.agent.errors import SetupError
from foveal.agent.weights import SUMS, digest

STATE = {f"layer.{n}": torch.full((2, n + 1), float(n)) for n in range(4)} | {
    "half": torch.ones(2, dtype=torch.bfloat16),
}
Save = Callable[[dict[str, torch.Tensor], Path], None]


def safe(state: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


def old(state: dict[str, torch.Tensor], path: Path) -> None:
    """As torch wrote before 1.6: no zip archive, so nothing to map."""
    torch.save(state, path, _use_new_zipfile_serialization=False)


def split(folder: Path, stem: str, suffix: str, save: Save, index: bool) -> list[Path]:
    parts = [dict([*STATE.items()][:2]), dict([*STATE.items()][2:])]
    paths = [folder / f"{stem}-{n:05}-of-00002{suffix}" for n in (1, 2)]
    for part, path in zip(parts, paths, strict=True):
        save(part, path)
    where = {name: path.name for part, path in zip(parts, paths, strict=True) for name in part}
    if index:
        text = json.dumps({"metadata": {"total_size": 1}, "weight_map": where})
        (folder / f"{stem}{suffix}.index.json").write_text(text, encoding="utf-8")
    return paths


LAYOUTS: dict[str, Callable[[Path], Any]] = {
    "one pickle": lambda folder: torch.save(STATE, folder / "pytorch_model.bin"),
    "an old pickle": lambda folder: old(STATE, folder / "pytorch_model.bin"),
    "one safetensors": lambda folder: safe(STATE, folder / "model.safetensors"),
    "pickles": lambda folder: split(folder, "pytorch_model", ".bin", torch.save, True),
    "several safetensors": lambda folder: split(folder, "model", ".safetensors", safe, True),
    "pickles, no index": lambda folder: split(folder, "pytorch_model", ".bin", torch.save, False),
    "safetensors, no index": lambda folder: split(folder, "model", ".safetensors", safe, False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_tensors(layout: str, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    found = dict(read(tmp_path))
    assert sorted(names(tmp_path)) == sorted(found) == sorted(STATE)
    assert all(found[name].equal(tensor) for name, tensor in STATE.items())
    assert found["half"].dtype == torch.bfloat16
    assert [name for name, _ in read(tmp_path, lambda name: name == "half")] == ["half"]


def test_safetensors_come_before_pickles(tmp_path: Path) -> None:
    LAYOUTS["one pickle"](tmp_path)
    split(tmp_path, "model", ".safetensors", safe, True)
    assert {path.suffix for path in weight_files(tmp_path).files} == {".safetensors"}


def test_only_the_files_that_are_needed_are_opened(tmp_path: Path) -> None:
    first, second = split(tmp_path, "pytorch_model", ".bin", torch.save, True)
    first.write_bytes(b"damaged")
    assert dict(read(tmp_path, lambda name: name == "half")).keys() == {"half"}
    second.unlink()
    with pytest.raises(SetupError, match=r"00002-of-00002\.bin are missing"):
        dict(read(tmp_path, lambda name: name == "half"))


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
@pytest.mark.parametrize("index", [True, False])
def test_a_missing_part_is_missed(suffix: str, index: bool, tmp_path: Path) -> None:
    stem, save = ("pytorch_model", torch.save) if suffix == ".bin" else ("model", safe)
    split(tmp_path, stem, suffix, save, index)[0].unlink()
    with pytest.raises(SetupError, match=rf"00001-of-00002\{suffix} are missing; "):
        dict(read(tmp_path))


def test_no_weights_at_all(tmp_path: Path) -> None:
    (tmp_path / "detector.safetensors").write_bytes(b"")
    with pytest.raises(
        SetupError, match=r"holds no weights: neither model\.safetensors nor pytorch"
    ):
        names(tmp_path)


@pytest.mark.parametrize("size", [0, 10, 200, -1])
@pytest.mark.parametrize("layout", ["one pickle", "an old pickle", "one safetensors"])
def test_a_file_that_was_cut_short_is_damaged(layout: str, size: int, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    (path,) = weight_files(tmp_path).files
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SetupError, match=r"(damaged|cannot be read).*; download the checkpoint"):
        dict(read(tmp_path))


class Harmful:
    """What somebody may put into a pickle."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(1), "b": Harmful()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(SetupError, match=r"hold more than tensors; do not use this file"):
        dict(read(tmp_path))
    with pytest.raises(SetupError, match="hold more than tensors"):
        names(tmp_path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content",
    [
        [torch.ones(1)],
        {"a": 1},
        {1: torch.ones(1)},
        {"a": torch.ones(1).to_sparse()},
        {"state_dict": STATE},
        torch.ones(1),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_a_pickle_of_anything_else_holds_no_weights(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(SetupError, match="are no mapping of names to tensors"):
        dict(read(tmp_path))


@pytest.mark.parametrize(
    "where",
    [
        {},
        [],
        None,
        {"half": "../pytorch_model.bin"},
        {"half": "/etc/passwd"},
        {"half": "model.safetensors/../x"},
        {"half": 3},
    ],
)
def test_an_index_names_files_beside_it(where: Any, tmp_path: Path) -> None:
    text = json.dumps({"weight_map": where})
    (tmp_path / "pytorch_model.bin.index.json").write_text(text, encoding="utf-8")
    with pytest.raises(SetupError, match=r"index\.json maps no tensors to files beside it"):
        weight_files(tmp_path)


def test_an_index_that_promises_too_much(tmp_path: Path) -> None:
    paths = split(tmp_path, "model", ".safetensors", safe, True)
    safe({"layer.0": STATE["layer.0"]}, paths[0])
    with pytest.raises(SetupError, match=r"lack layer\.1, which the index promises"):
        dict(read(tmp_path))


def test_checksums_are_held(tmp_path: Path) -> None:
    paths = split(tmp_path, "model", ".safetensors", safe, True)
    listed = [*paths, tmp_path / "model.safetensors.index.json"]
    rows = [f"{digest(path)}  {path.name}\n" for path in listed]
    (tmp_path / SUMS).write_text("".join(rows), encoding="utf-8")
    assert dict(read(tmp_path)).keys() == STATE.keys()
    (tmp_path / SUMS).write_text("".join(rows).replace(rows[1][:4], "0000"), encoding="utf-8")
    with pytest.raises(SetupError, match=r"00002-of-00002\.safetensors are damaged"):
        dict(read(tmp_path))
    (tmp_path / SUMS).write_text("".join(rows[:2]), encoding="utf-8")
    with pytest.raises(SetupError, match=r"index\.json are not listed"):
        dict(read(tmp_path))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("visual.merger.ln_q.weight", "model.visual.merger.ln_q.weight"),
        ("model.embed_tokens.weight", "model.language_model.embed_tokens.weight"),
        ("model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight"),
        ("model.visual.merger.mlp.0.bias", None),
        ("model.language_model.norm.weight", None),
        ("lm_head.weight", None),
        ("depth_projector.linear_condition.bias", "clip_projector.linear_condition.bias"),
        ("seg_model.layers.0.attn.qkv.weight", None),
        (
            "detection_model.encoder.layer.23.attention.attention.query.weight",
            "detection_model.encoder.layer.23.attention.q_proj.weight",
        ),
        (
            "detection_model.encoder.layer.0.attention.attention.value.bias",
            "detection_model.encoder.layer.0.attention.v_proj.bias",
        ),
        (
            "detection_model.encoder.layer.0.attention.output.dense.bias",
            "detection_model.encoder.layer.0.attention.o_proj.bias",
        ),
        ("detection_model.encoder.layer.0.attention.k_proj.bias", None),
    ],
)
def test_names_are_brought_up_to_date(before: str, after: str | None) -> None:
    assert renamed(before) == (after or before)
    assert renamed(renamed(before)) == renamed(before)
    assert known(renamed(before))


def test_nothing_else_is_known_or_left_over() -> None:
    assert not known("optimizer.step")
    assert not known("lm_head.bias")
    assert unused("model.layers.3.self_attn.rotary_emb.inv_freq")
    assert not unused("model.layers.3.self_attn.q_proj.weight")
