"""What is compared with ours answers what ours answers; how fast is nobody's business here."""

import json
import urllib.request

import numpy as np
import pytest
from PIL import Image

from foveal.evals.bench.batching import OURS, SERVED, SERVED_LATER, SINGLY, batching
from foveal.evals.bench.http_server import tool_server
from foveal.evals.bench.standins import Instant, Simulated
from foveal.evals.bench.transport import AS_PIL, FIRST, OVER_HTTP, _jpeg, journeys
from foveal.tools.base import Request


def test_the_tool_server_reads_the_picture() -> None:
    picture = Image.new("RGB", (40, 30), (100, 100, 100))
    body = json.dumps({"image": _jpeg(picture)}).encode()
    with tool_server() as address:
        for _ in range(2):
            with urllib.request.urlopen(address, data=body, timeout=20) as reply:
                assert json.load(reply)["score"] == pytest.approx(100 / 255, abs=0.02)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, data=body, timeout=20)


def test_a_simulated_specialist_sleeps_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from foveal.agent.actions import Detect

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    request = Request(Detect(phrase="x"), "i", np.full((2, 2, 3), 51, np.uint8))
    replies = Simulated(0.5, 0.25).run([request] * 3)
    assert slept == [1.25]
    assert [reply.observation.objects[0].score for reply in replies] == [0.2] * 3  # type: ignore[union-attr]
    assert Instant().run([]) == []


@pytest.mark.ray
@pytest.mark.slow
def test_a_picture_travels_every_way() -> None:
    found = journeys((64, 48), 1)
    assert set(found) == {"foveal", FIRST, AS_PIL, OVER_HTTP}
    assert all(sample.median > 0 for sample in found.values())


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray Serve has some of its own
def test_questions_are_batched_every_way() -> None:
    found = batching(1)
    assert set(found["batch-singly"].numbers) == {OURS, SINGLY, SERVED, SERVED_LATER}
    assert found["batch-serve"].unit == "requests/s"
