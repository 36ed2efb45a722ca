"""`agent train`: options come from what each training declares, and go to it."""

from importlib import import_module
from typing import Any

import pytest

from foveal.cli import main
from foveal.recipes import RECIPES


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options that trainings would have begun with."""
    begun: list[Any] = []
    for recipe in RECIPES.values():
        monkeypatch.setattr(f"foveal.training.{recipe.module}.train", begun.append)
    return begun


def test_the_recipe_is_told_without_loading_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in RECIPES)
    assert "SHA256SUMS" in out


@pytest.mark.parametrize("name", RECIPES)
def test_each_part_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", name, "--help"]) == 0
    out = capsys.readouterr().out
    recipe = RECIPES[name]
    kind = getattr(import_module(f"foveal.training.{recipe.module}"), recipe.options)
    for field in kind.model_fields:
        assert f"--{field.replace('_', '-')} VALUE" in out
    assert "Budget of wall-clock time" in out


@pytest.mark.parametrize("name", RECIPES)
def test_defaults_are_what_the_weights_were_made_with(name: str, trained: list[Any]) -> None:
    assert main(["train", name]) == 0
    assert trained == [type(trained[0])()]


def test_options_reach_the_training(trained: list[Any]) -> None:
    words = ["--minutes", "1.5", "--resume", "false", "--shares", "0.4,0.2,0.2,0.1,0.1"]
    assert main(["train", "model", *words]) == 0
    (options,) = trained
    assert (options.minutes, options.resume, options.shares) == (
        1.5,
        False,
        (0.4, 0.2, 0.2, 0.1, 0.1),
    )


@pytest.mark.parametrize(
    "wrong",
    [["--minutes", "soon"], ["--minutes"], ["--fly", "1"], ["--count", "0"]],
)
def test_bad_options_get_one_line(
    wrong: list[str], trained: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "depth", *wrong]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert wrong[0] in err
    assert not trained
