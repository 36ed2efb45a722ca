"""`agent pool`: what is printed, and the round of up, status, use and down on a cluster."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from foveal import asking, pooling
from foveal.agent.errors import InputError
from foveal.cli import main
from foveal.tools import ray_cluster
from foveal.tools.gauges import Stats
from foveal.tools.ray_actors import Name
from foveal.tools.ray_fleet import Standing

EXAMPLE = Path(__file__).parents[2] / "examples" / "tabletop.png"
BUSY = Stats(
    waiting=2, running=4, answered=100, failed=1, batches={1: 4, 8: 12}, seconds=[0.05, 0.1, 0.25],
    hits=30, misses=10, cached_bytes=1024, largest=8,
)  # fmt: skip
POOLS = [
    Standing("embedded", "d1", "detector", {"ALIVE": 2, "RESTARTING": 1}, 3, True, BUSY),
    Standing("embedded", "d1", "encoder", {"ALIVE": 1}, 0, False, Stats()),
    Standing("team", "d2", "detector", {"SILENT": 1}, 0, True, Stats()),
]


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster with three pools, without the cluster."""
    monkeypatch.setattr(pooling, "_joined", nullcontext)
    monkeypatch.setattr(pooling, "standing", lambda: POOLS)
    monkeypatch.setattr(ray_cluster, "stores", lambda: [("10.0.0.1", 3 * 2**20, 100 * 2**20)])


@pytest.mark.usefixtures("pools")
def test_status_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "status"]) == 0
    out = capsys.readouterr().out
    words = [line.split() for line in out.splitlines()]
    assert words[0][:3] == ["embedded", "d1", "up"]
    assert out.splitlines()[1].split("  ")[0] == "detector"
    assert (
        " ".join(words[1]) == "detector 2/3, 1 restarting 6 100, 1 failed 6.2 100 ms 250 ms 75% 3"
    )
    assert " ".join(words[2]) == "encoder (a driver's) 1/1 0 0 - - - - 0"
    assert " ".join(words[4]) == "detector 0/1, 1 silent 0 0 - - - - 0"
    assert out.splitlines()[-1] == "object store of 10.0.0.1: 3.0 of 100 MB used"
    assert max(len(line) for line in out.splitlines()) <= 120


@pytest.mark.usefixtures("pools")
def test_status_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stores"] == [["10.0.0.1", 3 * 2**20, 100 * 2**20]]
    assert said["pools"][0] == {
        "profile": "embedded", "digest": "d1", "specialist": "detector", "detached": True,
        "replicas": 3, "states": {"ALIVE": 2, "RESTARTING": 1}, "restarts": 3,
        "queue": 6, "answered": 100, "failed": 1,
        "batch": {"mean": 6.25, "sizes": {"1": 4, "8": 12}}, "p50_ms": 100.0, "p95_ms": 250.0,
        "cache": {"hits": 30, "misses": 10, "bytes": 1024}, "out_of_memory": 0,
    }  # fmt: skip


def test_without_pools_it_says_how_to_start_them(
    pools: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pooling, "standing", list)
    assert main(["pool", "status"]) == 1
    assert capsys.readouterr().out.startswith("no shared pools; start them with `agent pool up`\n")


@pytest.mark.parametrize(
    ("ended", "code", "words"),
    [
        ([Name("team", "d2", "depth", 0)], 0, "agent: stopped team/d2/depth/0\n"),
        ([], 1, "agent: there are no shared pools of 'team'\n"),
    ],
)
def test_down_says_what_it_stopped(
    pools: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ended: list[Name], code: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(pooling, "take_down", lambda profile: ended if profile == "team" else None)
    assert main(["pool", "down", "--profile", "team"]) == code
    assert capsys.readouterr().err == words


@pytest.mark.ray
@pytest.mark.parametrize("verb", [["up"], ["status"], ["status", "--json"], ["down"]])
def test_no_cluster_is_one_line(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", *verb, "--ray", "127.0.0.1:9"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("agent: no Ray cluster at '127.0.0.1:9' (ConnectionRefusedError")
    assert said.err.endswith("start one with `ray start --head`, or give --ray its address\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pool", "up", "--pool", "dog.replicas=2"], "no specialist 'dog'"),
        (["pool", "up", "--profile", "nobody"], "no profile 'nobody'"),
    ],
)
def test_bad_input_is_told_before_a_cluster_is_looked_for(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--ray", "127.0.0.1:9"]) == 2
    assert told in capsys.readouterr().err


def test_run_takes_pools_only_with_ray() -> None:
    order = asking.Order("x.png", "How many?", pools=("detector.replicas=2",))
    with pytest.raises(InputError, match="add --ray"):
        asking.run(order)


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
size = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=size)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def started() -> Iterator[str]:
    """The address of a cluster of one node, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """One for the tests of this file."""
    with started() as address:
        yield address


def agent(*words: str) -> tuple[int, str, str]:
    """The command line in a process of its own: exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from foveal.cli import main; sys.exit(main())", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_pools_that_were_raised_answer_questions_and_stay(cluster: str, tmp_path: Path) -> None:
    profile = tmp_path / "team.toml"
    profile.write_text('tools = ["detect"]\n[pools.detector]\nmax_batch = 4\n', encoding="utf-8")
    where = ["--profile", str(profile), "--ray", cluster]
    code, out, err = agent("pool", "up", *where)
    assert (code, out) == (0, ""), err
    assert "agent: detector: 1 of 1 ready (" in err
    assert err.endswith("agent: pools of 'team' are up\n")

    question = ["--image", str(EXAMPLE), "--question", "How many red cubes are there?"]
    answers = [agent("run", *question, *where) for _ in range(2)]
    assert [code for code, _, _ in answers] == [0, 0], answers
    assert answers[0][1] == answers[1][1] != ""

    code, out, _ = agent("pool", "status", "--json", "--ray", cluster)
    rows: dict[str, Any] = {row["specialist"]: row for row in json.load(io.StringIO(out))["pools"]}
    assert (code, sorted(rows)) == (0, ["detector", "encoder"])
    assert rows["detector"]["states"] == {"ALIVE": 1}
    assert rows["detector"]["answered"] == 2 * rows["detector"]["cache"]["misses"] > 0
    assert rows["detector"]["restarts"] == 0

    code, _, err = agent("pool", "down", "--profile", "team", "--ray", cluster)
    assert (code, err.count("agent: stopped team/")) == (0, 2)
    assert agent("pool", "status", "--ray", cluster)[0] == 1


@pytest.mark.ray
@pytest.mark.slow
def test_what_the_cluster_lacks_is_one_line(cluster: str) -> None:
    code, out, err = agent("pool", "up", "--ray", cluster, "--pool", "encoder.num_gpus=1")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(
        "agent: no node is large enough for the encoder, which needs CPU 0.25, GPU 1; the cluster has CPU 2; "
    )
    assert agent("pool", "status", "--ray", cluster)[0] == 1


FIVE = """
from foveal.agent.observations import Box, Detected, Found
from foveal.tools.base import Reply

class Made:
    answers = ("detect",)

    def __init__(self, device):
        self.device = device

    def warm_up(self):
        self.warm = True

    def run(self, batch):
        return [Reply(self.found(request)) for request in batch]

    def found(self, request):
        boxes = [Box(image=request.image, xyxy=(40 * n, 9, 40 * n + 9, 99)) for n in range(5)]
        found = tuple(Found(label=request.action.phrase, box=box, score=1) for box in boxes)
        return Detected(phrase=request.action.phrase, objects=found)
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_pool_of_another_packages_specialist_is_used_by_those_who_chose_it_alone(
    offer: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer("pkg", "mine", FIVE)
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(tmp_path / "site")]))
    monkeypatch.setenv("PYTHONPATH", path)
    profile = tmp_path / "team.toml"
    profile.write_text('tools = ["detect"]\n', encoding="utf-8")
    mine = ["--specialist", "detector=mine"]
    question = ["--image", str(EXAMPLE), "--question", "How many red cubes are there?"]
    with started() as address:
        where = ["--profile", str(profile), "--ray", address]
        assert agent("pool", "up", *where, *mine)[0] == 0
        assert agent("run", *question, *where, *mine)[:2] == (0, "5\n")
        assert agent("run", *question, *where)[:2] == (0, "3\n")
        rows = json.loads(agent("pool", "status", "--json", "--ray", address)[1])["pools"]
    answered = {row["specialist"]: row["answered"] for row in rows}
    assert (len(rows), answered["detector"]) == (2, 1)
