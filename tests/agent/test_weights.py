"""Weight files: what is written is read back, and nothing that was changed is loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foveal.agent.errors import SetupError
from foveal.agent.weights import (
    SUMS,
    checksums,
    digest,
    fingerprint,
    load_config,
    load_into,
    load_state,
    save_state,
    verify,
)

STATE = {
    "weight": torch.tensor([[0.5, -2.0]]),
    "bias": torch.tensor([1.0]),
    "steps": torch.tensor(7),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_state(STATE, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def listed(path: Path, sum_: str | None = None, row: str = "{}  {}") -> None:
    line = row.format(sum_ or digest(path), path.name)
    (path.parent / SUMS).write_text(f"{line}\n", encoding="utf-8")


def test_floats_are_stored_in_half_precision_and_read_in_full(path: Path) -> None:
    from safetensors.torch import load_file

    assert {name: t.dtype for name, t in load_file(path).items()} == {
        "weight": torch.float16, "bias": torch.float16, "steps": torch.int64,
    }  # fmt: skip
    state = load_state(path)
    assert {name: t.dtype for name, t in state.items()} == {
        "weight": torch.float32, "bias": torch.float32, "steps": torch.int64,
    }  # fmt: skip
    assert all(torch.equal(state[name], t) for name, t in STATE.items())


def test_values_too_large_for_half_precision_stay_whole(tmp_path: Path) -> None:
    large = {"variance": torch.tensor([1e6, 1.0]), "odd": torch.tensor([float("inf"), 1.0])}
    save_state(large, tmp_path / "x.safetensors")
    state = load_state(tmp_path / "x.safetensors")
    assert all(torch.equal(state[name], t) for name, t in large.items())


def test_tensors_that_share_memory_or_have_a_gradient_can_be_saved(tmp_path: Path) -> None:
    both = torch.ones(2, 3, requires_grad=True)
    save_state({"a": both, "b": both, "turned": both.T}, tmp_path / "x.safetensors")
    assert load_state(tmp_path / "x.safetensors")["turned"].shape == (3, 2)


def test_a_model_takes_all_of_a_file(path: Path) -> None:
    layer = torch.nn.Linear(2, 1)
    save_state({k: v for k, v in STATE.items() if k != "steps"}, path)
    assert load_into(layer, path) is layer
    assert layer.weight.tolist() == [[0.5, -2.0]]


def test_a_model_takes_one_part_of_a_file(path: Path) -> None:
    layer = torch.nn.Linear(2, 1)
    save_state(
        {"head.weight": STATE["weight"], "head.bias": STATE["bias"], "other": torch.ones(3)}, path
    )
    load_into(layer, path, part="head.")
    assert layer.bias.tolist() == [1.0]


@pytest.mark.parametrize("part", ["", "head."])
def test_weights_of_another_model_do_not_fit(path: Path, part: str) -> None:
    with pytest.raises(SetupError, match=r"model\.safetensors do not fit the model: .*\S"):
        load_into(torch.nn.Linear(3, 1), path, part)


def test_without_a_list_files_are_taken_as_they_are(path: Path) -> None:
    verify(path)
    assert checksums(path.parent) == {}


@pytest.mark.parametrize("row", ["{}  {}", "{} *{}", "{}  ./{}"])
def test_a_listed_file_is_verified(path: Path, row: str) -> None:
    listed(path, row=row)
    verify(path)
    listed(path, digest(path).upper(), row)
    verify(path)


def test_a_large_file_is_read_once_until_it_changes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.agent.weights.LARGE", 1)
    first = digest(path)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert digest(path) == first
    monkeypatch.undo()
    monkeypatch.setattr("foveal.agent.weights.LARGE", 1)
    path.write_bytes(b"shorter")
    assert digest(path) != first


def test_a_changed_file_is_damaged(path: Path) -> None:
    listed(path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(SetupError, match="damaged: the checksum differs"):
        load_state(path)


@pytest.mark.parametrize("content", ["", f"{'0' * 64}  other.safetensors\n", "nonsense\n\n", "\0"])
def test_a_file_that_a_list_does_not_name_is_refused(path: Path, content: str) -> None:
    """Else whoever can add a file, or cut the list short, is not checked at all."""
    (path.parent / SUMS).write_text(content, encoding="utf-8")
    with pytest.raises(
        SetupError, match=r"not listed in SHA256SUMS; .*sha256sum model\.safetensors >>"
    ):
        load_state(path)


def test_a_list_that_is_no_text_names_nothing(path: Path) -> None:
    (path.parent / SUMS).write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SetupError, match="not listed"):
        verify(path)


@pytest.mark.parametrize("load", [load_state, load_config, verify])
def test_a_missing_file_is_for_the_user(tmp_path: Path, load: Callable[[Path], Any]) -> None:
    with pytest.raises(SetupError, match=r"absent\.json are missing; reinstall foveal"):
        load(tmp_path / "absent.json")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 8])
def test_a_file_that_holds_no_tensors_is_for_the_user(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(SetupError, match=r"x\.safetensors cannot be read"):
        load_state(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.json", "x.yaml"])
def test_a_configuration_is_a_mapping(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"a": [1, 2]}), encoding="utf-8")
    assert load_config(path) == {"a": [1, 2]}
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(SetupError, match="holds no mapping"):
        load_config(path)
    for broken in (b"{'a", b"\xff", b"a: !!python/object/apply:os.getcwd []"):
        path.write_bytes(broken)
        with pytest.raises(SetupError, match=r"cannot be read"):
            load_config(path)


def test_the_fingerprint_of_a_folder_is_that_of_its_weights(path: Path, tmp_path: Path) -> None:
    first = fingerprint(tmp_path)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / path.name).write_bytes(path.read_bytes())
    assert fingerprint(tmp_path / "again") == first
    (tmp_path / "again" / path.name).write_bytes(b"others")
    assert fingerprint(tmp_path / "again") != first


def test_a_list_of_checksums_stands_for_the_files(path: Path, tmp_path: Path) -> None:
    listed(path)
    first = fingerprint(tmp_path)
    (tmp_path / "notes.txt").write_text("not listed", encoding="utf-8")
    assert fingerprint(tmp_path) == first
    listed(path, "0" * 64)
    assert fingerprint(tmp_path) != first


def test_a_download_cache_has_named_its_files_already(path: Path, tmp_path: Path) -> None:
    """Its links lead to files that are called by their digest."""
    snapshot, blob = tmp_path / "snapshot", tmp_path / digest(path)
    snapshot.mkdir()
    path.rename(blob)
    (snapshot / path.name).symlink_to(blob)
    first = fingerprint(snapshot)
    blob.write_bytes(b"never read")
    assert fingerprint(snapshot) == first
