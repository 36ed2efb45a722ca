"""The documentation builds without a warning into a site that needs nobody else's server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import foveal

ROOT = Path(__file__).parents[1]
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
"""What a browser fetches by itself, and where it says from where."""


class Fetched(HTMLParser):
    """Collects what a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note one element's address."""
        address = dict(attributes).get(FETCHED.get(tag, ""))
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def fetched(site: Path) -> Iterator[tuple[str, str]]:
    for page in site.rglob("*.html"):
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        yield from ((page.name, address) for address in reader.addresses)
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\([\"']?([^)\"']+)", sheet.read_text(encoding="utf-8")):
            yield sheet.name, address


@pytest.mark.slow
def test_nothing_comes_from_elsewhere(site: Path) -> None:
    found = list(fetched(site))
    assert len(found) > 100
    assert not [(page, address) for page, address in found if "//" in address.split("?")[0]]


@pytest.mark.slow
def test_every_public_name_has_its_entry(site: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in site.glob("reference/*.html"))
    entries = {entry.rpartition(".")[2] for entry in re.findall(r'id="(foveal\.[\w.]+)"', text)}
    assert set(foveal.__all__) <= entries
    assert {"Finished", "Detect", "Detected", "Specialist", "Profile", "Settings"} <= entries
