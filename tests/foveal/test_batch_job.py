"""`agent batch` on a cluster of `ray start --head`: as a Ray job, and through a driver that is killed."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "tabletop.png"
QUESTIONS = ("How many red cubes are there?", "How many cubes are there?", "Is there a red cube?")
PORTS = (
    "dashboard",
    "dashboard-agent-listen",
    "dashboard-agent-grpc",
    "ray-client-server",
    "metrics-export",
)


@dataclass(frozen=True)
class Cluster:
    """A head node of its own: nobody else's ports, folder or token."""

    address: str
    dashboard: str
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of this installation, as somebody on the head node would type it."""
        return subprocess.Popen(
            words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        said, _ = process.communicate()
        return process.returncode, said.decode()


def _environment(folder: Path) -> dict[str, str]:
    """This one's, with our commands first and a token that only this cluster knows."""
    commands = folder / "bin"
    commands.mkdir()
    (commands / "agent").write_text(
        f"#!{sys.executable}\nimport sys\nfrom foveal.cli import main\nsys.exit(main())\n"
    )
    (commands / "agent").chmod(0o755)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **auth}


def _free_ports() -> list[int]:
    """One for each of PORTS; all are open at once, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="fv", dir="/tmp"))  # short: sockets lie in it
    environment, ports = _environment(folder), dict(zip(PORTS, _free_ports(), strict=True))
    words = [
        "ray", "start", "--head", "--block", "--port=0", "--dashboard-host=127.0.0.1",
        *(f"--{name}-port={port}" for name, port in ports.items()),
        f"--temp-dir={folder / 'ray'}", "--num-cpus=3", f"--object-store-memory={200 * 2**20}",
        "--disable-usage-stats",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        head = subprocess.Popen(
            words, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while b"block forever" not in (folder / "log").read_bytes():
            assert head.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        address = (folder / "ray" / "ray_current_cluster").read_text().strip()
        yield Cluster(address, f"http://127.0.0.1:{ports['dashboard']}", environment)
    finally:
        head.terminate()
        with suppress(subprocess.TimeoutExpired):
            head.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a user has: an image, and twelve questions about it."""
    shutil.copy(EXAMPLE, tmp_path / "tabletop.png")
    rows = [
        {"image": "tabletop.png", "question": q, "id": f"{n} {q}"}
        for n in range(4)
        for q in QUESTIONS
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "questions.jsonl").write_text(text)
    return tmp_path


def ids(out: Path) -> list[str]:
    return sorted(
        json.loads(line)["id"] for line in (out / "results.jsonl").read_text().splitlines()
    )


def expected() -> list[str]:
    return sorted(f"{n} {question}" for n in range(4) for question in QUESTIONS)


def test_as_a_ray_job(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    submit = [
        "ray",
        "job",
        "submit",
        "--address",
        cluster.dashboard,
        "--working-dir",
        str(folder),
        "--",
    ]
    batch = [
        "agent",
        "batch",
        "questions.jsonl",
        "--ray",
        "auto",
        "--agents",
        "2",
        "--tools",
        "detect",
    ]
    code, said = cluster.run(*submit, *batch, "--out", "relative")
    assert code != 0
    assert "'relative' would be lost with this job's working directory" in said
    code, said = cluster.run(*submit, *batch, "--out", str(out))
    assert code == 0, said
    assert "12 of 12 answered, 0 failed" in said
    assert ids(out) == expected()
    assert json.loads((out / "run.json").read_text())["sittings"][0]["how"]["agents"] == 2


def test_a_driver_that_is_killed_and_started_again(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    batch = ["agent", "batch", str(folder / "questions.jsonl"), "--out", str(out)]
    batch += ["--ray", cluster.address, "--concurrency", "1", "--tools", "detect"]
    driver, results = cluster.start(*batch), out / "results.jsonl"
    while not results.exists() or results.read_bytes().count(b"\n") < 2:
        assert driver.poll() is None, driver.communicate()[0]
        time.sleep(0.005)
    driver.kill()
    driver.communicate()
    done = results.read_bytes().count(b"\n")
    assert 2 <= done < 12
    code, said = cluster.run(*batch)
    assert code == 0, said
    assert ids(out) == expected()
    outcomes = [
        sitting["outcomes"] for sitting in json.loads((out / "run.json").read_text())["sittings"]
    ]
    assert outcomes[1] == 12 - done
