"""What docs/serve.md shows is what happens: its examples run against a server."""

import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "serve.md"
ADDRESS = "http://127.0.0.1:8000/v1"
"""Where the page's server is."""


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="no curl, or no jq")
def test_the_page(embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = SimpleNamespace(**runpy.run_path(str(ROOT / "tests" / "test_docs.py")))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(ADDRESS) > 2
    ran = []
    for block in docs.blocks(page.replace(ADDRESS, embedded)):
        ran.append(block.language)
        if block.language == "console":
            docs.run_console(PAGE.name, block, tmp_path)
        else:
            docs.run_python(PAGE.name, block, module)
    module.client.close()
    assert ran == ["python", "console", "python", "python"]
