"""The checkup finds what is missing or damaged, says how to mend it, and starts nothing."""

import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from foveal import checkup
from foveal.agent.hub.releases import RELEASES
from foveal.cli import main

FILES = (*checkup.ESSENTIAL, *checkup.SPECIALISTS)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of intact weights, by their checksums."""
    folder = tmp_path / "weights"
    folder.mkdir()
    lines = []
    for name in FILES:
        (folder / name).write_text(name)
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
    monkeypatch.setenv("FOVEAL_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package is installed but torch, which would take seconds to ask."""
    monkeypatch.setattr(checkup, "installed", lambda name: None if name == "torch" else "1.0")
    monkeypatch.setattr(checkup, "NEEDED", ("detector", "segmenter", "ocr"))


def found(name: str) -> checkup.Check:
    """The check of that name."""
    return next(check for check in checkup.examined().checks if check.name == name)


@pytest.mark.usefixtures("weights", "everything")
def test_a_complete_machine_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "the embedded profile can run" in out
    assert "verified" in out


@pytest.mark.usefixtures("weights")
def test_a_missing_library_is_a_problem_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkup, "installed", lambda name: None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "pip install 'foveal[models]'" in out
    assert "cannot run" in out


@pytest.mark.usefixtures("everything")
def test_damaged_and_missing_weights_are_told_apart(weights: Path) -> None:
    (weights / "model.safetensors").write_text("something else")
    (weights / "depth.json").unlink()
    (weights / "extra.txt").touch()
    states = {name: found(name) for name in FILES}
    damaged, missing = states["model.safetensors"], states["depth.json"]
    assert (damaged.state, missing.state) == ("problem", "problem")
    assert damaged.found.endswith("are damaged: the checksum differs from SHA256SUMS")
    assert missing.found.endswith("are missing")
    assert states["config.json"].state == "ok"
    assert all(check.cure for check in states.values() if check.state == "problem")


@pytest.mark.usefixtures("everything")
def test_a_file_that_the_list_leaves_out_is_not_called_damaged(weights: Path) -> None:
    sums = weights / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if "depth.json" not in line))
    told = found("depth.json")
    assert told.state == "problem"
    assert told.found.endswith("are not listed in SHA256SUMS")
    assert told.cure.endswith("sha256sum depth.json >> SHA256SUMS")


@pytest.mark.usefixtures("everything")
def test_unlisted_weights_are_not_called_verified(weights: Path) -> None:
    (weights / "SHA256SUMS").unlink()
    assert found("config.json").state == "optional"
    assert "not verified" in found("config.json").found


@pytest.mark.usefixtures("weights", "everything")
def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    abouts = {check["about"] for check in told["checks"]}
    assert abouts == {"python", "extras", "weights", "profiles", "devices", "ray", "disk"}


@pytest.mark.usefixtures("weights", "everything")
def test_a_cluster_is_seen_without_starting_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert found("cluster").state == "ok"
        assert address in found("cluster").found
    assert found("cluster").found == f"no answer at {address}"


def test_extras_are_those_of_the_package() -> None:
    extras = checkup.declared_extras()
    assert extras["detector"] == ["ultralytics"]
    assert set(checkup.NEEDED) < set(extras)
    assert not {"all", "dev"} & set(extras)


@pytest.mark.usefixtures("weights")
def test_only_torch_is_imported() -> None:
    code = (
        "import sys\nfrom foveal.cli import main\nmain(['doctor', '--json'])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(done.stdout)["checks"], done.stderr
    assert not {"ray", "transformers", "ultralytics", "langgraph"} & set(done.stderr.split())


@pytest.mark.usefixtures("everything")
def test_profiles_say_what_they_need_until_they_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_CACHE", str(tmp_path))
    told = found("vpt-2b-clip")
    assert told.state == "optional"
    assert told.found == "needs 4.9 GB of disk, and 9.8 GB of memory on cpu or 4.9 GB on a GPU"
    assert "agent run --profile" in told.cure
    pin(tmp_path)
    told = found("vpt-2b-clip")
    assert (told.state, told.cure) == ("ok", "")
    assert told.found.startswith(f"downloaded to {tmp_path}")
    assert found("vpt-2b-sam").state == "optional"
    assert found("embedded").state == "ok"


@pytest.mark.usefixtures("everything")
def test_a_folder_of_ones_own_needs_no_download(weights: Path) -> None:
    told = found("vpt-7b-clip")
    assert (told.state, told.found) == ("ok", f"in the folder that FOVEAL_WEIGHTS names, {weights}")


@pytest.mark.usefixtures("everything")
def test_a_damaged_pin_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_CACHE", str(tmp_path))
    pin(tmp_path).write_text("{")
    told = found("vpt-2b-clip")
    assert told.state == "optional"
    assert told.found.endswith("cannot be read; delete it")


def pin(cache: Path) -> Path:
    """The pin of a release that is all here, as small as can be."""
    repository, commit = RELEASES["vpt-2b-clip"].repository, "a" * 40
    file = (
        cache
        / "hub"
        / f"models--{repository.replace('/', '--')}"
        / "snapshots"
        / commit
        / "config.json"
    )
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    about = {"repository": repository, "revision": "main", "commit": commit}
    files = {"config.json": {"size": 2, "digest": "0" * 40}}
    path = cache / "foveal" / f"{repository.replace('/', '--')}@main.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**about, "files": files, "verified": ["config.json"]}))
    return path


def profile(name: str) -> checkup.Check:
    """The check of the profile of that name, which an extra may share."""
    checks = checkup.examined().checks
    return next(check for check in checks if (check.about, check.name) == ("profiles", name))


@pytest.mark.usefixtures("weights", "everything")
def test_whether_a_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile("openai").state == "optional"
    assert "none is named" in profile("openai").found
    assert "--base-url" in profile("openai").cure
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        monkeypatch.setenv("FOVEAL_BASE_URL", url)
        assert profile("openai").found == f"asks the server at {url}, without a key"
        monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
        assert (profile("openai").state, profile("openai").found) == (
            "ok",
            f"asks the server at {url}, with a key",
        )
    assert profile("openai").found == f"nobody listens at {url}"
    monkeypatch.setenv("FOVEAL_BASE_URL", "localhost")
    assert "FOVEAL_BASE_URL 'localhost' cannot be used" in profile("openai").found
    assert checkup.examined().ok, "it is needed by nothing else"
