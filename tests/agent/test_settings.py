"""The environment is read in one place, and a variable that cannot be used is named."""

import ast
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

import foveal.agent.settings as module
from foveal.agent.errors import InputError
from foveal.agent.settings import DEFAULT, FILE, PREFIX, Settings, exported, settings, sourced

ROOT = Path(module.__file__).resolve().parents[1]
LAYERS = ("agent", "tools", "graphs", "evals", "training", "foveal")


def test_without_variables_the_defaults_hold() -> None:
    assert settings({}) == Settings()
    assert settings({"PATH": "/bin", "FOVEAL_UNKNOWN": "1"}) == Settings()


def test_every_setting_has_a_variable() -> None:
    values = {
        "FOVEAL_PROFILE": "mine.toml",
        "FOVEAL_DEVICE": "cuda:1",
        "FOVEAL_SPECIALISTS": "detector=mine",
        "FOVEAL_WEIGHTS": "/somewhere",
        "FOVEAL_CACHE": "/models",
        "FOVEAL_MAX_PIXELS": "1000",
        "FOVEAL_ALLOW_PRIVATE_URLS": "true",
        "FOVEAL_BASE_URL": "http://localhost:8000/v1",
        "FOVEAL_API_KEY": "secret",
        "FOVEAL_CHECKPOINT": "sqlite:runs.db",
        "FOVEAL_TOKEN": "hidden",
    }
    assert set(values) == {PREFIX + name.upper() for name in Settings.model_fields}
    assert settings(values) == Settings(
        profile="mine.toml",
        device="cuda:1",
        specialists="detector=mine",
        weights=Path("/somewhere"),
        cache=Path("/models"),
        max_pixels=1000,
        allow_private_urls=True,
        base_url="http://localhost:8000/v1",
        api_key=SecretStr("secret"),
        checkpoint=SecretStr("sqlite:runs.db"),
        token=SecretStr("hidden"),
    )


def test_the_key_may_be_openais_own_and_is_never_shown() -> None:
    for environment, key in (
        ({"OPENAI_API_KEY": "theirs"}, "theirs"),
        ({"OPENAI_API_KEY": "theirs", "FOVEAL_API_KEY": "ours"}, "ours"),
        ({"OPENAI_API_KEY": "theirs", "FOVEAL_API_KEY": ""}, "theirs"),
    ):
        found = settings(environment)
        assert found.api_key is not None
        assert found.api_key.get_secret_value() == key
        assert key not in repr(found) + found.model_dump_json()
        assert exported(found) == {}, (
            "whoever is handed settings reads the key from his own environment"
        )


def test_other_settings_are_handed_on() -> None:
    found = settings({"FOVEAL_BASE_URL": "http://h/v1", "FOVEAL_DEVICE": "cuda"})
    assert settings(exported(found)) == found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's file, for the variable that names it."""
    return tmp_path / "config.toml"


BOTH = {
    "profile": ("ours", "theirs"),
    "device": ("cuda", "mps"),
    "specialists": ("detector=a", "detector=b"),
    "weights": ("/a", "/b"),
    "cache": ("/a", "/b"),
    "max_pixels": (1000, 2000),
    "allow_private_urls": (True, False),
    "base_url": ("http://a/v1", "http://b/v1"),
    "api_key": ("a", "b"),
    "checkpoint": ("sqlite:a", "sqlite:b"),
    "token": ("a", "b"),
}
"""Each setting with two values that it can have."""


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(file: Path) -> None:
    assert set(BOTH) == set(Settings.model_fields)
    for name, (first, second) in BOTH.items():
        variable = PREFIX + name.upper()
        written = str(first).lower() if isinstance(first, bool) else json.dumps(first)
        file.write_text(f"{name} = {written}\n", encoding="utf-8")
        alone = sourced({FILE: str(file)})
        both = sourced({FILE: str(file), variable: str(second)})
        assert getattr(sourced({}).settings, name) == Settings.model_fields[name].default
        assert getattr(alone.settings, name) == getattr(
            Settings.model_validate({name: first}), name
        )
        assert getattr(both.settings, name) == getattr(
            Settings.model_validate({name: second}), name
        )
        origins = [one.origins[name] for one in (sourced({}), alone, both)]
        assert origins == [DEFAULT, str(file), variable]


def test_paths_in_the_file_count_from_its_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    file.write_text('weights = "w"\ncache = "~/c"\nprofile = "mine.toml"\n', encoding="utf-8")
    found = settings({FILE: str(file)})
    assert found.weights == file.parent / "w"
    assert found.cache == Path("/home/me/c")
    assert found.profile == str(file.parent / "mine.toml")


WRONG = {
    "profil = 'x'": "sets 'profil', which is no setting; did you mean 'profile'?",
    "zzz = 1": "sets 'zzz', which is no setting; known: profile, device",
    "max_pixels = 'many'": "max_pixels = 'many' in ",
    "api_key = 7": "api_key = ... in ",
    "device = 7": "cannot be used: Input should be a valid string",
    "device =": "is not valid TOML",
}


@pytest.mark.parametrize(("text", "reason"), WRONG.items())
def test_a_bad_file_is_named_with_what_is_wrong_in_it(file: Path, text: str, reason: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        settings({FILE: str(file)})
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_named_must_be_there_the_usual_one_need_not(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"FOVEAL_CONFIG names .* which does not exist"):
        settings({FILE: str(file)})
    monkeypatch.delenv(FILE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings() == Settings()
    usual = sourced().file
    assert usual is not None
    usual.parent.mkdir(parents=True)
    usual.write_text('device = "mps"', encoding="utf-8")
    assert (settings().device, sourced().origins["device"]) == ("mps", str(usual))


def test_an_empty_variable_is_unset() -> None:
    assert settings({PREFIX + name.upper(): "" for name in Settings.model_fields}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOVEAL_MAX_PIXELS", "many"),
        ("FOVEAL_MAX_PIXELS", "0"),
        ("FOVEAL_MAX_PIXELS", "1e9"),
        ("FOVEAL_ALLOW_PRIVATE_URLS", "perhaps"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        settings({name: value})
    assert str(caught.value).startswith(f"{name}='{value}' cannot be used: ")
    assert "\n" not in str(caught.value)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_DEVICE", "mps")
    assert settings().device == "mps"


def test_our_variables_are_named_nowhere_else() -> None:
    """Other modules may mention them in messages, but never look them up."""
    strays = []
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call | ast.Subscript) and _reads_ours(node):
                strays.append(f"{path.name}:{node.lineno}")
    assert not strays


def _reads_ours(node: ast.Call | ast.Subscript) -> bool:
    """os.environ["FOVEAL_X"], os.environ.get("FOVEAL_X") or os.getenv("FOVEAL_X")."""
    asked = ast.unparse(node.func if isinstance(node, ast.Call) else node.value)
    keys = node.args[:1] if isinstance(node, ast.Call) else [node.slice]
    ours = any(isinstance(key, ast.Constant) and str(key.value).startswith(PREFIX) for key in keys)
    return ours and ("environ" in asked or "getenv" in asked)
