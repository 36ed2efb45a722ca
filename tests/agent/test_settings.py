"""The environment is read in one place, and a variable that cannot be used is named."""

import ast
from pathlib import Path

import pytest
from pydantic import SecretStr

import foveal.agent.settings as module
from foveal.agent.errors import InputError
from foveal.agent.settings import PREFIX, Settings, exported, settings

ROOT = Path(module.__file__).resolve().parents[1]
LAYERS = ("agent", "tools", "graphs", "evals", "training", "foveal")


def test_without_variables_the_defaults_hold() -> None:
    assert settings({}) == Settings()
    assert settings({"PATH": "/bin", "FOVEAL_UNKNOWN": "1"}) == Settings()


def test_every_setting_has_a_variable() -> None:
    values = {
        "FOVEAL_PROFILE": "mine.toml",
        "FOVEAL_DEVICE": "cuda:1",
        "FOVEAL_WEIGHTS": "/somewhere",
        "FOVEAL_CACHE": "/models",
        "FOVEAL_MAX_PIXELS": "1000",
        "FOVEAL_ALLOW_PRIVATE_URLS": "true",
        "FOVEAL_BASE_URL": "http://localhost:8000/v1",
        "FOVEAL_API_KEY": "secret",
    }
    assert set(values) == {PREFIX + name.upper() for name in Settings.model_fields}
    assert settings(values) == Settings(
        profile="mine.toml",
        device="cuda:1",
        weights=Path("/somewhere"),
        cache=Path("/models"),
        max_pixels=1000,
        allow_private_urls=True,
        base_url="http://localhost:8000/v1",
        api_key=SecretStr("secret"),
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
