"""A command names a profile, a folder or a repository, and gets the profile that fits."""

import json
import shutil
from pathlib import Path

import pytest

from foveal.agent.choosing import choose, of_model
from foveal.agent.errors import InputError, SetupError
from foveal.agent.profiles import embedded_weights, load

RELEASED = Path(__file__).parents[1] / "data" / "vpt"


def folder_with(at: Path, config: object, tokens: str = '"<|region_token_start|>"') -> Path:
    """A model folder as far as it is looked at here."""
    at.mkdir(parents=True, exist_ok=True)
    (at / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (at / "tokenizer.json").write_text(tokens, encoding="utf-8")
    return at


@pytest.mark.parametrize("variant", ["clip", "detection"])
def test_a_folder_in_the_released_format(variant: str) -> None:
    profile = of_model(RELEASED / variant)
    assert (profile.name, profile.dialect) == (variant, "vpt")
    assert profile.tools == ("look", "reencode")
    assert profile.folder == (RELEASED / variant).resolve()


def test_the_older_model_type_is_known(tmp_path: Path) -> None:
    assert of_model(folder_with(tmp_path, {"model_type": "vrt_qwen2_vl"})).dialect == "vpt"


def test_our_own_folder_brings_its_specialists() -> None:
    profile, embedded = of_model(embedded_weights()), load("embedded")
    assert (profile.dialect, profile.tools, profile.system) == (
        embedded.dialect, embedded.tools, embedded.system,
    )  # fmt: skip


def test_a_folder_with_projectors_re_encodes(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(embedded_weights() / name, tmp_path / name)
    for tensor, tools in (("model.visual.x", ("look",)), ("seg_projector.x", ("look", "reencode"))):
        header = json.dumps(
            {tensor: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
        ).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        assert of_model(tmp_path).tools == tools
    path.write_bytes(b"no header")
    assert of_model(tmp_path).tools == ("look",)


def test_a_folder_with_the_model_alone_can_look(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(embedded_weights() / name, tmp_path / name)
    assert of_model(str(tmp_path)).tools == ("look",)
    for name in ("depth.json", "depth.safetensors", "segmenter.json"):
        (tmp_path / name).touch()
    assert of_model(tmp_path).tools == ("look", "depth", "read")


@pytest.mark.parametrize(
    ("config", "tokens", "reason"),
    [
        (
            {"model_type": "llama"},
            "",
            "models of type 'llama' see no images; use a vision chat model",
        ),
        ([], "", "config.json is no model configuration"),
    ],
)
def test_a_folder_that_cannot_be_run(
    tmp_path: Path, config: object, tokens: str, reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        of_model(folder_with(tmp_path, config, tokens))
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen3_vl", "something_new"])
def test_a_vision_chat_model_keeps_the_embedded_specialists(tmp_path: Path, kind: str) -> None:
    config = {"model_type": kind, "vision_config": {}}
    profile = of_model(folder_with(tmp_path / "brought", config, tokens="{}"))
    assert (profile.name, profile.backend, profile.model) == (
        "brought", "chat", str(tmp_path / "brought"),
    )  # fmt: skip
    assert profile.weights == embedded_weights()
    assert profile.tools == ("look", "detect", "segment", "depth", "read")
    assert profile.drawn == ("segment", "depth")
    assert profile.release is None
    assert not profile.system


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json cannot be read: No such file"):
        of_model(tmp_path)
    (tmp_path / "config.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is no model configuration"):
        of_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    with pytest.raises(InputError, match=r"tokenizer\.json cannot be read"):
        of_model(tmp_path)
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        of_model(tmp_path / "config.json")


@pytest.mark.parametrize("name", ["seer", "./out/seer", "/nowhere/seer", "a/b/c", ""])
def test_what_is_neither_a_folder_nor_a_repository(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder_with(tmp_path, {"model_type": "llama"}))
    with pytest.raises(InputError):
        of_model(name)


def test_a_known_repository_is_its_profile_and_not_asked_about() -> None:
    assert of_model("rp-yu/Qwen2-VL-7b-VPT-CLIP") == load("vpt-7b-clip")


def test_an_unknown_repository_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_CACHE", str(tmp_path))
    with pytest.raises(SetupError) as caught:  # tests are offline
        of_model("out/seer")
    assert "and the Hub cannot be reached (and there is no folder 'out/seer' here)" in str(
        caught.value
    )


def test_a_profile_and_a_model_exclude_each_other() -> None:
    with pytest.raises(InputError, match="--profile and --model exclude each other"):
        choose("embedded", str(RELEASED / "clip"))


def test_for_a_server_the_model_is_what_it_calls_one() -> None:
    for chosen in (
        choose("openai", "qwen3-vl", base_url="http://localhost:8000/v1/"),
        choose(model="qwen3-vl", base_url="http://localhost:8000/v1"),
    ):
        assert (chosen.name, chosen.backend) == ("openai", "openai")
        assert (chosen.model, chosen.base_url) == ("qwen3-vl", "http://localhost:8000/v1")
        assert chosen.folder == embedded_weights(), "the specialists are the embedded ones"
    assert choose("openai", "qwen3-vl").model == "qwen3-vl"
    assert choose(base_url="https://h/v1").model == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("localhost:8000", "--base-url 'localhost:8000' cannot be used: a server is written http"),
        ("ftp://h/v1", "a server is written"),
        ("http:///v1", "a server is written"),
        ("http://h:99999", "a server is written"),
        ("http://[h", "a server is written"),
        ("http://me:secret@h/v1", "a key goes into FOVEAL_API_KEY"),
        ("http://h/v1?key=secret", "a key goes into FOVEAL_API_KEY"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        choose(base_url=address)
    assert reason in str(caught.value)
    assert "me:secret" not in str(caught.value)


def test_a_profile_in_process_has_no_server() -> None:
    with pytest.raises(InputError, match="'embedded' runs in process; for a server use --profile"):
        choose("embedded", base_url="http://h/v1")


def test_the_settings_are_what_nothing_else_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_PROFILE", "vpt-2b-sam")
    assert choose() == load("vpt-2b-sam")
    assert choose("embedded") == load("embedded")
    assert choose(model=str(RELEASED / "clip"), trigger="region").trigger == "region"
