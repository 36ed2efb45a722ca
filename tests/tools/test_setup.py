"""What a machine may lack, and what importing must not do to it."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import (
    PERCEPTIONS,
    Depth,
    Object,
    Perception,
    PerceptionKind,
    Segment,
)
from foveal.agent.errors import SetupError
from foveal.agent.pools import SPECIALISTS
from foveal.agent.weights import digest
from foveal.tools.base import Mark, Request, Specialist
from foveal.tools.cache import ByteLRU
from foveal.tools.catalogue import embedded, specialist_for
from foveal.tools.depth import DepthEstimator
from foveal.tools.detector import Detector
from foveal.tools.dispatch import load as make
from foveal.tools.encoder import Encoder
from foveal.tools.extras import needs
from foveal.tools.reader import Reader
from foveal.tools.segmenter import Segmenter


def run(code: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "OMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_action_has_a_specialist() -> None:
    crew = embedded(Path("anywhere"))
    assert {specialist_for(kind) for kind in PERCEPTIONS} == set(crew) == set(SPECIALISTS)


@pytest.mark.parametrize(
    ("drawn", "segments", "depths"),
    [((), 0, 0), (("segment",), 1, 0), (("segment", "depth"), 1, 1)],
)
def test_only_pictures_that_the_model_was_trained_to_see_are_drawn(
    drawn: tuple[PerceptionKind, ...], segments: int, depths: int,
    tiny_weights: Path, photo: NDArray[np.uint8], mark_on: Callable[[str], Mark],
) -> None:  # fmt: skip
    crew, mark = embedded(tiny_weights, drawn=drawn), mark_on("an image")
    asked: dict[str, Perception] = {
        "segmenter": Segment(target=Object(index=1)),
        "depth": Depth(targets=(Object(index=1),)),
    }
    shown = {}
    for name, action in asked.items():
        (reply,) = crew[name]().run([Request(action, "an image", photo, (mark,))])
        shown[name] = len(reply.pictures)
    assert shown == {"segmenter": segments, "depth": depths}


HEAVY = (
    "torch",
    "ultralytics",
    "transformers",
    "ray",
    "rapidocr",
    "segment_anything",
    "cv2",
    "httpx",
)


def test_nothing_heavy_is_imported_until_used() -> None:
    names = [
        "catalogue",
        "dispatch",
        "ray_dispatch",
        "images",
        "store",
        "builders",
        "quiet",
    ]
    code = "import sys\n" + "\n".join(f"import foveal.tools.{name}" for name in names)
    loaded = run(f"{code}\nprint([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("mine", [{}, {"NUMEXPR_MAX_THREADS": "3", "KINETO_LOG_LEVEL": "1"}])
def test_ultralytics_leaves_the_machine_as_it_was(tmp_path: Path, mine: dict[str, str]) -> None:
    code = """
import os, numpy, torch
from PIL import Image
before, threads = dict(os.environ), torch.get_num_threads()
save, opener = torch.save, Image.open
from foveal.tools.quiet import import_ultralytics
import_ultralytics()
import ultralytics.utils
assert dict(os.environ) == before, os.environ.items() ^ before.items()
assert torch.get_num_threads() == threads and torch.save is save
assert Image.open is opener
assert not ultralytics.utils.SETTINGS["sync"] and not ultralytics.utils.ONLINE
assert repr(numpy.array([0.5])) == "array([0.5])"
"""
    assert run(code, HOME=str(tmp_path), PWD=str(tmp_path), **mine) == ""
    assert list(tmp_path.rglob("*")) == []


Load = Callable[[Path], Specialist]


def warmed(specialist: Specialist) -> Specialist:
    """For those that load when they are first used."""
    specialist.warm_up()
    return specialist


MISSING: list[tuple[str, str, Load]] = [
    ("ultralytics", "detector", Detector.from_folder),
    ("segment_anything", "segmenter", Segmenter.from_folder),
    ("transformers", "models", DepthEstimator.from_folder),
    ("transformers", "models", lambda folder: warmed(Encoder.from_folder(folder))),
    ("rapidocr", "ocr", lambda _: Reader.packaged()),
]


@pytest.mark.parametrize(("library", "extra", "load"), MISSING)
def test_a_missing_extra_names_the_command(
    library: str, extra: str, load: Load, tiny_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SetupError, match=rf"pip install 'foveal\[{extra}\]'"):
        load(tiny_weights)


def test_a_missing_module_of_ours_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError), needs("models"):
        import foveal.nowhere  # type: ignore[import-not-found]  # noqa: F401


FILES: list[tuple[str, Load]] = [
    ("detector.safetensors", Detector.from_folder),
    ("segmenter.safetensors", Segmenter.from_folder),
    ("depth.safetensors", DepthEstimator.from_folder),
    ("detector.yaml", Detector.from_folder),
    ("segmenter.json", Segmenter.from_folder),
    ("depth.json", DepthEstimator.from_folder),
]


@pytest.mark.parametrize(("name", "load"), FILES)
def test_damaged_and_missing_weights_are_for_the_user(
    name: str, load: Load, tiny_weights: Path, tmp_path: Path
) -> None:
    for path in tiny_weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    part = name.partition(".")[0]
    with pytest.raises(SetupError, match=part):
        make(part, partial(load, tmp_path))
    (tmp_path / name).unlink()
    with pytest.raises(SetupError, match="missing"):
        load(tmp_path)
    (tmp_path / name).write_bytes(whole)
    sums = {path.name: digest(path) for path in tmp_path.iterdir()} | {name: "0" * 64}
    rows = (f"{sum_}  {file}\n" for file, sum_ in sums.items())
    (tmp_path / "SHA256SUMS").write_text("".join(rows), encoding="utf-8")
    with pytest.raises(SetupError, match="damaged: the checksum differs"):
        load(tmp_path)


def test_weights_of_another_shape_are_for_the_user(tiny_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "depth.json").write_bytes((tiny_weights / "depth.json").read_bytes())
    other = (tiny_weights / "segmenter.safetensors").read_bytes()
    (tmp_path / "depth.safetensors").write_bytes(other)
    with pytest.raises(SetupError, match="do not fit the model"):
        DepthEstimator.from_folder(tmp_path)


def test_the_cache_forgets_the_least_recently_used() -> None:
    cache: ByteLRU[str] = ByteLRU(10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")
    cache.put("c", "CC", 6)
    assert (cache.get("c"), len(cache)) == ("CC", 2)
    cache.put("huge", "H", 99)
    assert (cache.get("huge"), len(cache)) == ("H", 1)
