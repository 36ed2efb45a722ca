"""A package that nobody here knows brings a detector: docs/specialists.md done as it says, and what goes wrong."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import SetupError
from foveal.agent.profiles import load, with_specialists
from foveal.agent.scripted import ScriptedModel
from foveal.cli import main
from foveal.graphs.agent import Agent
from foveal.graphs.result import Result

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "specialists.md").read_text(encoding="utf-8")
PICTURE = ROOT / "examples" / "tabletop.png"
QUESTION = "How many red cubes are there?"
INSTALLED_BY = {
    "PIP_NO_DEPS": "1",
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # the option's value, which `--no-build-isolation` sets to false
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def fenced(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package's sources and the profile; what pip installs goes to its `site`."""
    about, profile = fenced("toml")
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "pyproject.toml").write_text(about, encoding="utf-8")
    (tmp_path / "red" / "foveal_red.py").write_text(fenced("python")[0], encoding="utf-8")
    (tmp_path / "reddish.toml").write_text(profile, encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    site = tmp_path / "site"
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    for name, value in {**INSTALLED_BY, "PIP_TARGET": str(site), "PYTHONPATH": path}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def installed(place: Path) -> Path:
    """The same folder, the package installed as pip does it."""
    words = [sys.executable, "-m", "pip", "install", "--quiet", "./red"]
    subprocess.run(words, cwd=place, check=True, capture_output=True)
    return place


def told(words: list[str], folder: Path) -> Any:
    """The JSON report of `agent run`, in a process of its own."""
    code = "import sys\nfrom foveal.cli import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--json"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_example_is_short() -> None:
    about, code = fenced("toml")[0], fenced("python")[0]
    assert len((about + code).splitlines()) < 45
    assert len(code.splitlines()) < 40


@pytest.mark.slow
def test_the_page_shows_what_happens(place: Path) -> None:
    pages: Any = runpy.run_path(str(ROOT / "tests" / "test_docs.py"))
    shown = [block for block in pages["blocks"](PAGE) if block.language == "console"]
    assert len(shown) == 2
    for block in shown:
        pages["run_console"]("docs/specialists.md", block, place)


@pytest.mark.slow
@pytest.mark.ray
def test_on_ray_it_answers_as_inline(installed: Path) -> None:
    words = ["run", "--image", str(PICTURE), "--question", QUESTION, "--specialist", "detector=red"]
    inline, ray = told(words, installed), told([*words, "--ray"], installed)
    assert inline["answer"] == ray["answer"] == "4"
    assert inline["evidence"] == ray["evidence"]
    assert [hop["specialist"] for hop in ray["hops"]] == ["detector"]


PYTHON = """
import sys
from foveal import Agent
from foveal.agent.profiles import load, with_specialists

assert "foveal_red" not in sys.modules
with Agent(with_specialists(load("embedded"), ["detector=red"])) as agent:
    assert "foveal_red" not in sys.modules, "nothing was asked of it yet"
    print(agent.ask(sys.argv[1], sys.argv[2]).answer)
"""


@pytest.mark.slow
def test_the_python_door_uses_it(installed: Path) -> None:
    words = [sys.executable, "-c", PYTHON, str(PICTURE), QUESTION]
    done = subprocess.run(words, cwd=installed, capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


WRONG = {
    "nobody's": ("detector=green", "no installed package offers a specialist 'green'"),
    "no place": ("encoder=red", "no place 'encoder'; known: detector, segmenter, depth, reader"),
    "no name": ("detector", "is not like detector=NAME"),
}


@pytest.mark.parametrize(("choice", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_choice_that_cannot_be_gets_one_line(
    choice: str, reason: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--image", str(picture), "--question", "?", "--specialist", choice]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert reason in err


def test_the_doctor_lists_what_is_offered_and_imports_nothing(
    offer: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    offer("one", "red", "raise RuntimeError('imported')")
    offer("two", "red", "raise RuntimeError('imported')")
    main(["doctor", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    listed = [check for check in checks if check["about"] == "specialists"]
    assert [(check["name"], check["state"]) for check in listed] == [("red", "optional")] * 2
    assert "choose one:red" in listed[0]["cure"]
    assert "two 1.0" in listed[1]["found"]


HEAD = """
from foveal.agent.observations import Box, Detected, Found
from foveal.tools.base import Reply

class Made:
    answers = ("detect",)

    def __init__(self, device):
        self.device = device

    def warm_up(self):
        self.warm = True

    def run(self, batch):
        return [self.reply(request) for request in batch]

    def reply(self, request):
"""
FAR = HEAD + (
    "        box = Box(image=request.image, xyxy=(0, 0, 9999, 5))\n"
    "        found = Found(label='cup', box=box, score=1)\n"
    "        return Reply(Detected(phrase='cup', objects=(found,)))\n"
)
NO_REPLY = HEAD + "        return {'boxes': []}\n"
ABSENT = "import nowhere_at_all\n"


@pytest.fixture
def ask_with(
    offer: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> Callable[..., Result]:
    """Asks an agent, inline or on Ray, whose model detects once with a specialist of this code."""

    def ask(code: str, ray: bool | None = None) -> Result:
        offer("pkg", "mine", code)
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(tmp_path / "site")]))
        monkeypatch.setenv("PYTHONPATH", path)
        profile = with_specialists(load("embedded"), ["detector=mine"])
        model = ScriptedModel(["<|detect_start|>cup<|detect_end|>", "unknown"])
        with Agent(profile, ray=ray, model=model) as agent:
            return agent.ask(picture, "Where is the cup?")

    return ask


def test_boxes_that_make_no_sense_are_told_with_the_package(
    ask_with: Callable[..., Result],
) -> None:
    result = ask_with(FAR)
    assert result.evidence == ()
    (note,) = [note for note in result.notes if "pkg 1.0" in note]
    assert "not inside the image of 96 x 64" in note
    assert "choose another in the profile's [specialists]" in note


@pytest.mark.parametrize(
    ("code", "reason"),
    [(ABSENT, "cannot be imported (ModuleNotFoundError"), (NO_REPLY, "gave a dict, not a Reply")],
)
def test_what_is_no_specialist_ends_the_run_with_a_cure(
    ask_with: Callable[..., Result], code: str, reason: str
) -> None:
    with pytest.raises(SetupError) as caught:
        ask_with(code)
    assert "pkg 1.0" in caught.value.problem
    assert reason in caught.value.problem
    assert "choose another" in caught.value.cure


@pytest.mark.slow
@pytest.mark.ray
def test_what_an_actor_cannot_import_is_told_to_the_driver(ask_with: Callable[..., Result]) -> None:
    with pytest.raises(SetupError, match=r"of pkg 1\.0 cannot be imported \(ModuleNotFoundError"):
        ask_with(ABSENT, ray=True)
