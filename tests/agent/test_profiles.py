"""Profiles: one that ships, others from files, and one clear line for what is neither."""

from pathlib import Path

import pytest

from foveal.agent.errors import InputError
from foveal.agent.hub.releases import Release, memory
from foveal.agent.profiles import Profile, embedded_weights, load, with_trigger


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_embedded_profile_points_at_the_package() -> None:
    profile = load("embedded")
    assert profile.name == "embedded"
    assert profile.weights == embedded_weights()
    assert (profile.weights / "__init__.py").is_file()
    assert profile.domain
    assert "{tools}" in profile.system


def test_the_environment_moves_weights_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_WEIGHTS", "/elsewhere")
    monkeypatch.setenv("FOVEAL_DEVICE", "cuda")
    profile = load("embedded")
    assert (profile.weights, profile.device) == (Path("/elsewhere"), "cuda")


def test_a_file_sets_every_field(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'name = "big"\nweights = "/models/big"\ntools = ["look", "reencode"]\n'
        'system = "Answer as {x}"\ndevice = "cuda:1"\ndomain = "photographs"\n',
    )
    assert load(path) == load(str(path)) == Profile(
        name="big",
        weights=Path("/models/big"),
        tools=("look", "reencode"),
        system="Answer as {x}",
        device="cuda:1",
        domain="photographs",
    )  # fmt: skip


def test_weights_are_relative_to_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, 'weights = "w/big"')).weights == tmp_path / "w" / "big"


def test_what_a_file_leaves_out_is_as_for_the_embedded_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_DEVICE", "cuda")
    profile, embedded = load(written(tmp_path, "")), load("embedded")
    assert profile.name == "mine"
    assert profile.weights == embedded.weights
    assert (profile.tools, profile.system, profile.device) == (
        embedded.tools,
        embedded.system,
        "cuda",
    )


def test_what_a_file_says_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_DEVICE", "cuda")
    monkeypatch.setenv("FOVEAL_WEIGHTS", "/elsewhere")
    profile = load(written(tmp_path, 'device = "cpu"\nweights = "here"'))
    assert (profile.device, profile.weights) == ("cpu", tmp_path / "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not valid TOML"),
        ('tools = ["look", "fly"]', "tools.1: Input should be 'look', 'reencode'"),
        ("tools = 3", "tools: Input should be a valid tuple"),
        ("weights = 3", "weights: "),
        ("device = 0", "device: Input should be a valid string"),
        ("colour = 'red'", "colour: Extra inputs are not permitted"),
        ("[name]\nx = 1", "name: Input should be a valid string"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not valid TOML"):
        load(path)


@pytest.mark.parametrize("name", ["vpt", "", "embedded ", "mine.json"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(
        InputError, match=r"no profile .*known: embedded, vpt-2b-clip, .*or the path"
    ):
        load(name)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read profile .*No such file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InputError, match="cannot read profile"):
        load(tmp_path / "folder.toml")


RELEASED = {
    "vpt-2b-clip": ("rp-yu/Qwen2-VL-2b-VPT-CLIP", 4.89),
    "vpt-2b-dino": ("rp-yu/Qwen2-VL-2b-VPT-Det", 5.50),
    "vpt-2b-free": ("rp-yu/Qwen2-VL-2b-VPT-Det-NoPrompt", 5.50),
    "vpt-2b-sam": ("rp-yu/Qwen2-VL-2b-VPT-Seg", 5.52),
    "vpt-7b-clip": ("rp-yu/Qwen2-VL-7b-VPT-CLIP", 16.64),
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_checkpoint_is_fetched_from_where_it_was_released(name: str) -> None:
    profile, (repository, gigabytes) = load(name), RELEASED[name]
    release = profile.release
    assert release is not None
    assert (release.repository, release.revision) == (repository, "main")
    assert release.disk / 1e9 == pytest.approx(gigabytes, abs=0.01)
    assert (profile.dialect, profile.trigger) == ("vpt", "none")
    assert profile.tools == ("look", "reencode")
    assert ("trigger phrase" in profile.domain) is (name != "vpt-2b-free")
    with pytest.raises(ValueError, match="before its model is fetched"):
        _ = profile.folder


def test_processors_compute_in_twice_the_bytes() -> None:
    assert (memory(5, "cpu"), memory(5, "cuda:1")) == (10, 5)


def test_a_folder_in_the_environment_replaces_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_WEIGHTS", "/models/clip")
    monkeypatch.setenv("FOVEAL_DEVICE", "cuda")
    profile = load("vpt-2b-clip")
    assert (profile.release, profile.folder, profile.device) == (None, Path("/models/clip"), "cuda")


def test_a_file_may_be_like_a_built_in_profile_and_name_a_commit(tmp_path: Path) -> None:
    commit = "0123456789" * 4
    text = f'like = "vpt-2b-clip"\nrevision = "{commit}"\ntrigger = "region"'
    profile = load(written(tmp_path, text))
    assert profile == load("vpt-2b-clip").model_copy(
        update={"name": "mine", "revision": commit, "trigger": "region"}
    )


def test_a_file_that_names_a_repository_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_WEIGHTS", "/elsewhere")
    profile = load(written(tmp_path, 'like = "vpt-2b-sam"\nrepository = "me/tuned"'))
    assert profile.release == Release("me/tuned")
    assert profile.dialect == "vpt"
    assert load(written(tmp_path, 'repository = "me/tuned"')).release == Release("me/tuned")


def test_a_file_may_name_a_folder_for_a_released_checkpoint(tmp_path: Path) -> None:
    profile = load(written(tmp_path, 'like = "vpt-2b-sam"\nweights = "sam"'))
    assert (profile.release, profile.folder) == (None, tmp_path / "sam")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('like = "vpt"', "is like 'vpt', which is none of embedded, vpt-2b-clip"),
        ('repository = "seer"', "repository: Value error, a repository is written owner/name"),
        ('repository = "../seer"', "repository: "),
        ('repository = "a/b"\nrevision = "../x"', "revision: Value error, a revision is"),
        ('trigger = "look"', "trigger: Input should be 'none', 'region' or 'reencode'"),
        ('dialect = "qwen"', "dialect: Input should be 'foveal' or 'vpt'"),
        ('revision = "abc"', "weights: Value error, weights or repository"),
    ],
)
def test_a_file_about_a_repository_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_trigger_is_for_the_dialect_that_has_one() -> None:
    assert with_trigger(load("vpt-2b-dino"), "reencode").trigger == "reencode"
    with pytest.raises(InputError, match="no trigger 'look'; known: none, region, reencode"):
        with_trigger(load("vpt-2b-dino"), "look")
    with pytest.raises(InputError, match="profile 'embedded' knows no trigger phrases"):
        with_trigger(load("embedded"), "region")


def test_the_profile_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_BASE_URL", "http://localhost:8000/v1/")
    profile = load("openai")
    assert (profile.backend, profile.base_url) == ("openai", "http://localhost:8000/v1")
    assert profile.drawn == ("segment", "depth"), "whoever sees pictures is shown all of them"
    assert (profile.api, profile.tool_calls, profile.convention) == ("chat", True, "thousand")
    assert (profile.system, profile.domain) == ("", "")


def test_an_address_in_the_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_BASE_URL", "localhost")
    assert load("embedded").base_url == "", "nobody else minds"
    with pytest.raises(InputError, match="FOVEAL_BASE_URL 'localhost' cannot be used"):
        load("openai")


def test_a_file_may_describe_a_server(tmp_path: Path) -> None:
    text = """backend = "openai"\nbase_url = "https://h/v1"\nmodel = "seer"\napi = "responses"
convention = "pixels"\ntool_calls = false\nimage_ids = true\ntimeout = 20"""
    profile = load(written(tmp_path, text))
    assert profile == load("openai").model_copy(
        update={
            "name": "mine", "base_url": "https://h/v1", "model": "seer", "api": "responses",
            "convention": "pixels", "tool_calls": False, "image_ids": True, "timeout": 20.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('backend = "cloud"', "backend: Input should be"),
        ('backend = "openai"\nbase_url = "h"', "base_url: Value error, a server is written http"),
        ('backend = "openai"\napi = "assistants"', "api: Input should be 'chat' or 'responses'"),
        ('backend = "openai"\nconvention = "metres"', "convention: Input should be 'thousand'"),
        ('backend = "openai"\ntimeout = 0', "timeout: Input should be greater than 0"),
    ],
)
def test_a_file_about_a_server_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_file_may_name_a_vision_chat_model(tmp_path: Path) -> None:
    (tmp_path / "brought").mkdir()
    profile = load(written(tmp_path, 'backend = "chat"\nmodel = "brought"\nfamily = "qwen2_5_vl"'))
    assert (profile.name, profile.model) == ("mine", str(tmp_path / "brought"))
    assert (profile.weights, profile.drawn) == (embedded_weights(), ("segment", "depth"))
    assert (profile.family, profile.release) == ("qwen2_5_vl", None)
    assert "convention" not in profile.model_fields_set, (
        "it is the family's unless the file sets it"
    )


def test_a_vision_chat_model_may_have_to_be_fetched(tmp_path: Path) -> None:
    text = 'backend = "chat"\nmodel = "someone/sees"\nrevision = "v2"\nweights = "mine"'
    profile = load(written(tmp_path, text))
    assert profile.release == Release("someone/sees", "v2")
    assert profile.weights == tmp_path / "mine", "the specialists'"
    fetched = profile.fetched(tmp_path)
    assert (fetched.model, fetched.weights, fetched.release) == (
        str(tmp_path), tmp_path / "mine", None,
    )  # fmt: skip


@pytest.mark.parametrize("model", ["", "nowhere", "a/b/c"])
def test_a_vision_chat_model_that_is_nowhere(tmp_path: Path, model: str) -> None:
    path = written(tmp_path, f'backend = "chat"\nmodel = "{model}"')
    with pytest.raises(InputError, match=f"model '{model}' is neither a folder nor owner/name"):
        load(path)
