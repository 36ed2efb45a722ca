"""What may be typed, and the one line that comes back when it cannot be done."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foveal import asking
from foveal.cli import main

PNG = io.BytesIO()
Image.effect_noise((64, 64), 50).save(PNG, "PNG")

BAD_IMAGES = {
    "missing": (None, "does not exist"),
    "empty": (b"", "is empty"),
    "truncated": (PNG.getvalue()[:900], "is damaged"),
    "lying": (b"GIF, honestly", "is not an image"),
    "oversized": (PNG.getvalue(), "too large"),
}
BAD_OPTIONS = {
    "empty question": (["--question", "  "], "the question is empty"),
    "unknown tool": (["--tools", "look,fly"], "no tool 'fly'; known: look"),
    "unknown profile": (["--profile", "tiny"], "no profile 'tiny'; known: embedded"),
    "missing profile file": (["--profile", "no.toml"], "cannot read profile 'no.toml'"),
    "private address": (["--image", "http://127.0.0.1:1/x.png"], "private address"),
    "negative hops": (["--max-hops", "-1"], "'--max-hops'"),
    "unknown option": (["--tool", "look"], "see agent run --help"),
    "value missing": (["--trace"], "'--trace'"),
}


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr; stdout must have stayed empty."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("agent: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[asking.Order]:
    """Every order that `agent run` would have carried out."""
    given: list[asking.Order] = []

    def note(order: asking.Order) -> int:
        given.append(order)
        return 0

    monkeypatch.setattr(asking, "run", note)
    return given


@pytest.mark.parametrize(("data", "reason"), BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_a_bad_image_gets_one_line(
    data: bytes | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad.png"
    if data is not None:
        path.write_bytes(data)
    if reason == "too large":
        monkeypatch.setenv("FOVEAL_MAX_PIXELS", "1000")
    traces = tmp_path / "traces"
    arguments = ["run", "--image", str(path), "--question", "?", "--trace", str(traces)]
    assert main(arguments) == 2
    assert reason in only_line(capsys)
    assert not traces.exists()


@pytest.mark.parametrize(("options", "reason"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_gets_one_line(
    options: list[str], reason: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--image", str(picture), "--question", "?", *options]) == 2
    assert reason in only_line(capsys)


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["run", "--image", "x.png"]])
def test_misuse_names_the_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "--help" in only_line(capsys)


def test_damaged_weights_get_one_line(
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n")
    monkeypatch.setenv("FOVEAL_WEIGHTS", str(tmp_path))
    assert main(["run", "--image", str(picture), "--question", "?", "--json"]) == 2
    assert "damaged" in only_line(capsys)


def test_a_missing_extra_is_named(picture: Path) -> None:
    absent = ("torch", "transformers", "safetensors", "ultralytics", "segment_anything", "rapidocr")
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n"
        "from foveal.cli import main\nsys.exit(main())"
    )
    words = [sys.executable, "-c", code, "run", "--image", str(picture), "--question", "?"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1
    assert "pip install 'foveal[" in done.stderr


def test_help_loads_no_library_for_models_or_graphs() -> None:
    code = "import sys\nfrom foveal.cli import main\nmain(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "doctor" in done.stdout
    heavy = {"torch", "ray", "transformers", "ultralytics", "langgraph", "numpy", "PIL"}
    assert not heavy & set(done.stderr.split())


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Answer a question about an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ([], None),
        (["--ray"], "local"),
        (["--ray", "--json"], "local"),
        (["--ray", "auto"], "auto"),
        (["--ray=10.0.0.1:6379"], "10.0.0.1:6379"),
    ],
)
def test_ray_may_leave_out_its_address(
    words: list[str], address: str | None, orders: list[asking.Order]
) -> None:
    assert main(["run", "--image", "x.png", "--question", "?", *words]) == 0
    assert orders[0].ray == address


@pytest.mark.parametrize("question", ["--ray", "-"])
def test_a_question_may_look_like_an_option(question: str, orders: list[asking.Order]) -> None:
    assert main(["run", "--image", "x.png", f"--question={question}"]) == 0
    assert orders[0].question == question


def test_bugs_are_not_hidden(ask: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(asking, "_asked", broken)
    with pytest.raises(ZeroDivisionError):
        ask(["2"])
