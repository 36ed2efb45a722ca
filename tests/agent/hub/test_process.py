"""Downloads as a user sees them: in a process of its own, and through the doors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.hub.releases import Release
from foveal.cli import main

CLIP = Path(__file__).parents[2] / "data" / "vpt" / "clip"
IMAGE = CLIP.parent / "images" / "img0.png"
FETCH = (
    "from foveal.agent.hub.fetching import fetch\nfrom foveal.agent.hub.releases import Release\n"
)


def start(hub: Any, home: Path, release: Release) -> subprocess.Popen[str]:
    """A process that fetches the release from the Hub that its environment names."""
    env = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    env |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "FOVEAL_CACHE": ""}
    return subprocess.Popen(
        [sys.executable, "-c", f"{FETCH}print(fetch({release!r}))"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_was_killed_is_gone_on_from(
    hub: Any, release: Release, tmp_path: Path
) -> None:
    hub.faults.cut, hub.faults.stalls = 1_000_000, True
    process = start(hub, tmp_path / "home", release)
    while arrived(tmp_path) < 900_000 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = arrived(tmp_path)
    hub.faults.cut, hub.faults.stalls = None, False
    hub.asked.clear()
    out, err = start(hub, tmp_path / "home", release).communicate()
    folder = Path(out.strip())
    assert (folder / "pytorch_model.bin").read_bytes() == hub.commits[hub.head][
        "pytorch_model.bin"
    ], err
    assert folder.is_relative_to(tmp_path / "home" / "hub")
    assert [headers["range"] for headers in hub.headers("/cdn/")] == [f"bytes={kept}-"]
    assert not hub.paths("/api/"), "the commit was pinned before the download began"
    assert err.count("\n") == 1


def arrived(tmp_path: Path) -> int:
    """Bytes of the weights that are on the disk."""
    sizes = [path.stat().st_size for path in (tmp_path / "home").rglob("*.incomplete")]
    return max(sizes, default=0)


@pytest.fixture
def served(hub: Any) -> Any:
    """The Hub with a checkpoint that can be run."""
    hub.commits[hub.head] = {
        path.name: path.read_bytes() for path in CLIP.iterdir() if path.suffix != ".npz"
    }
    return hub


def test_a_profile_is_downloaded_and_answers(
    served: Any, release: Release, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "mine.toml"
    text = f'like = "vpt-2b-clip"\nrepository = "{release.repository}"\nrevision = "{served.head}"'
    profile.write_text(text)
    words = ["run", "--image", str(IMAGE), "--question", "?", "--max-hops", "0", "--json"]
    assert main([*words, "--profile", str(profile)]) == 0
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert (told["profile"], told["tools"]) == ("mine", ["look", "reencode"])
    assert told["answer"]
    assert err.startswith(f"foveal: {release.repository} needs 1.0 MB of disk")
    assert len(served.paths("/api/")) == 1
    served.asked.clear()
    assert main([*words, "--model", release.repository]) == 0
    again = capfd.readouterr()
    assert served.paths("/resolve/") == [], "the same commit is not downloaded twice"
    assert json.loads(again.out)["answer"] == told["answer"]


def test_a_repository_that_is_not_there_is_one_line(
    served: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    served.refusal = (404, "RepoNotFound")
    words = ["run", "--image", str(IMAGE), "--question", "?"]
    assert main([*words, "--model", "some/where"]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "there is no model some/where" in err
    assert "and there is no folder 'some/where' here" in err


def test_bad_input_is_told_before_anything_is_downloaded(
    served: Any, release: Release, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--image", str(tmp_path / "none.png"), "--question", "?"]
    assert main([*words, "--model", release.repository]) == 2
    assert "does not exist" in capfd.readouterr().err
    assert not served.paths("pytorch_model.bin")


def test_an_interrupted_command_ends_quietly_and_keeps_what_came(
    served: Any, release: Release, tmp_path: Path
) -> None:
    served.faults.cut, served.faults.stalls = 500_000, True
    env = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    env |= {"HF_ENDPOINT": served.endpoint, "HF_HOME": str(tmp_path / "home"), "FOVEAL_CACHE": ""}
    code = "import sys\nfrom foveal.cli import main\nsys.exit(main())"
    words = ["run", "--image", str(IMAGE), "--question", "?", "--model", release.repository]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while arrived(tmp_path) < 400_000 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err.count(b"\n")) == (130, b"", 1), err
    assert arrived(tmp_path) >= 400_000
