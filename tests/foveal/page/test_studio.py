"""`agent ui` in Chromium: an image is dropped, hops are watched, regions are approved; strangers are kept out."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.cli import main
from foveal.page.watching import decision_of

pytest.importorskip("gradio", reason="needs pip install 'foveal[ui]'")

FIND, READ = "<|detect_start|>red cube<|detect_end|>", "<|read_start|><|obj_1|><|read_end|>"
OTHER = READ.replace("obj_1", "obj_2")
STARTING = 60_000
"""Milliseconds that a busy machine is given to load the page."""


@pytest.fixture
def served(command: Callable[..., Any]) -> Iterator[Callable[..., str]]:
    """`agent ui` in a process of its own, with a model that says these turns; its address."""
    running: list[Any] = []

    def serve(*turns: str, options: tuple[str, ...] = ()) -> str:
        running.append(command(list(turns), "ui", "--port", "0", *options))
        told: bytes = running[-1].stdout.readline()
        assert told, running[-1].communicate()[1].decode()
        return told.decode().strip()

    yield serve
    for process in running:
        process.terminate()
        process.communicate()
        assert process.returncode == 0


class Desk:
    """Somebody in front of the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(STARTING)
        page.wait_for_selector("#ask")

    def ask(self, picture: Path, question: str) -> None:
        self.page.set_input_files("#image input[type=file]", str(picture))
        self.page.wait_for_selector("#image img")
        self.page.fill("#question textarea, #question input", question)
        self.page.click("#ask")

    def told(self) -> str:
        return str(self.page.locator("#shown").inner_text())


def expected(window: Any) -> None:
    """Gradio's own page says this in Chromium, whatever it serves."""
    window.faults = [fault for fault in window.faults if fault != "Method not implemented."]


@pytest.mark.slow
def test_an_image_is_asked_about_and_every_hop_is_seen(
    served: Callable[..., str], window: Any, picture: Path
) -> None:
    desk = Desk(window.open(served(FIND, READ, "one")))
    desk.ask(picture, "How many squares?")
    desk.page.wait_for_selector("#shown .answer")
    assert desk.page.locator("#shown .answer").inner_text() == "one"
    assert desk.page.locator("#shown .hop h4").all_inner_texts() == [
        'detect "red cube"', "read the text on object 1 (red cube)",
    ]  # fmt: skip
    assert "confidence 93" in desk.told()
    assert desk.page.title() == "foveal"
    expected(window)


@pytest.mark.slow
def test_a_region_is_approved_moved_or_refused(
    served: Callable[..., str], window: Any, picture: Path
) -> None:
    desk = Desk(window.open(served(FIND, READ, OTHER, "one", options=("--approve", "detect,read"))))
    desk.ask(picture, "What is written there?")
    desk.page.wait_for_selector("#accept:visible")
    assert 'May it do this: detect "red cube"?' in desk.told()
    desk.page.click("#accept")
    desk.page.get_by_text("May it do this: read the text on object 1 (red cube)?").wait_for()
    desk.page.fill("#region textarea, #region input", "nonsense")
    desk.page.click("#edit")
    desk.page.get_by_text("a region is four numbers").wait_for()
    desk.page.fill("#region textarea, #region input", "40, 30, 100, 90")
    desk.page.click("#edit")
    desk.page.get_by_text("A person changed this: 40").wait_for()
    desk.page.wait_for_selector("#reject:visible")
    desk.page.click("#reject")
    desk.page.wait_for_selector("#shown .answer")
    assert "A person changed this: 40, 30, 100, 90" in desk.told()
    assert "A person refused this" in desk.told()
    assert not desk.page.locator("#approval").is_visible()
    expected(window)


@pytest.mark.slow
def test_what_goes_wrong_is_said_on_the_page(
    served: Callable[..., str], window: Any, picture: Path
) -> None:
    desk = Desk(window.open(served("<|depth_start|><|depth_end|>", "one")))
    desk.page.click("#ask")
    desk.page.get_by_text("there is no image yet").wait_for()
    desk.ask(picture, " ")
    desk.page.get_by_text("the question is empty").wait_for()
    desk.ask(picture, "How far?")
    desk.page.wait_for_selector("#shown .answer")
    assert "it is out of order" in desk.told()
    expected(window)


@pytest.mark.slow
def test_a_page_elsewhere_cannot_use_a_name_for_this_machine(served: Callable[..., str]) -> None:
    request = urllib.request.Request(served("one"), headers={"Host": "rebound.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


@pytest.mark.slow
def test_other_machines_need_the_token(
    served: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_TOKEN", "secret")
    address = served("one", options=("--host", "0.0.0.0")).replace("0.0.0.0", "127.0.0.1")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{address}config")


def test_without_a_token_it_is_not_opened_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--host", "0.0.0.0"]) == 2
    assert "set FOVEAL_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("region", ["", "1 2 3", "a b c d"])
def test_a_region_that_is_none_is_refused(region: str) -> None:
    with pytest.raises(InputError, match="four numbers"):
        decision_of("edit", region)
