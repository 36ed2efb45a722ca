"""The wheel holds what the tree holds, imports flow one way, and the doors load nothing heavy."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("agent", "tools", "graphs", "evals", "training", "foveal")
"""Imports flow from right to left only; `weights` is data, and anybody may read it."""
HEAVY = ("torch", "torchvision", "transformers", "ray", "ultralytics", "cv2", "onnxruntime")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _modules(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def _dotted(path: Path) -> str:
    """The installed name of a file: `tools/store.py` is `foveal.tools.store`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "foveal" else ("foveal", *parts)
    return ".".join(part for part in parts if part != "__init__")


def _imports(path: Path) -> Iterator[str]:
    """Every absolute name a file imports, inside functions too."""
    base = _dotted(path).split(".")
    package = base if path.name == "__init__.py" else base[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*parent, *filter(None, [node.module])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def test_declared_packages_are_the_packages_on_disk() -> None:
    setuptools = _project()["tool"]["setuptools"]
    on_disk = {
        _dotted(init)
        for layer in (*LAYERS, "weights")
        for init in (ROOT / layer).rglob("__init__.py")
    }
    assert set(setuptools["packages"]) == set(setuptools["package-dir"]) == on_disk


def test_each_package_is_typed() -> None:
    for layer in (*LAYERS, "weights"):
        assert (ROOT / layer / "py.typed").is_file(), layer


def _typed(path: Path) -> bool:
    """Whether type checkers need a link to it: a file, or a package beside the layers."""
    return path.is_file() or (path / "__init__.py").is_file()


def test_type_checkers_see_every_package() -> None:
    typings = ROOT / ".typings" / "foveal"
    expected = {layer: ROOT / layer for layer in (*LAYERS[:-1], "weights")}
    expected |= {path.name: path for path in (ROOT / "foveal").iterdir() if _typed(path)}
    assert {link.name: link.resolve() for link in typings.iterdir()} == expected, "run `make links`"


@pytest.mark.parametrize("layer", LAYERS[:-1])
def test_imports_flow_one_way(layer: str) -> None:
    lower = LAYERS[: LAYERS.index(layer) + 1]
    allowed = tuple(f"foveal.{name}" for name in (*lower, "weights"))
    for path in _modules(layer):
        ours = [name for name in _imports(path) if name.split(".")[0] == "foveal"]
        upward = [name for name in ours if not name.startswith(allowed)]
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


@pytest.mark.parametrize("layer", [*LAYERS, "weights", "tests"])
def test_no_short_imports(layer: str) -> None:
    short = {*LAYERS[:-1], "weights"}
    for path in _modules(layer):
        wrong = [name for name in _imports(path) if name.split(".")[0] in short]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}; write foveal.<layer>"


def test_dev_extra_is_the_dev_group() -> None:
    project = _project()
    assert project["project"]["optional-dependencies"]["dev"] == project["dependency-groups"]["dev"]


def test_all_extra_names_every_other_extra() -> None:
    """But for the one that needs another Pillow than they."""
    extras = _project()["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    named = everything.removeprefix("foveal[").removesuffix("]").split(",")
    assert set(named) == set(extras) - {"all", "dev", "ui"}


def _loaded_by(code: str) -> set[str]:
    """Which heavy libraries a fresh interpreter has loaded after running the code."""
    probe = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import foveal",
        "import foveal.agent, foveal.tools, foveal.graphs, foveal.evals, foveal.training",
        "import sys\nfrom foveal.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "import foveal\nfor name in foveal.__all__: getattr(foveal, name)",
    ],
    ids=["import foveal", "every layer", "agent --help", "every export"],
)
def test_the_doors_load_nothing_heavy(code: str) -> None:
    assert _loaded_by(code) == set()
