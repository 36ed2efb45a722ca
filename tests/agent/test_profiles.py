"""Profiles: one that ships, others from files, and one clear line for what is neither."""

from pathlib import Path

import pytest

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile, embedded_weights, load


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
    with pytest.raises(InputError, match=r"no profile .*known: embedded, or the path"):
        load(name)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read profile .*No such file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InputError, match="cannot read profile"):
        load(tmp_path / "folder.toml")
