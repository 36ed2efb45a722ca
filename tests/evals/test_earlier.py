"""What was last asked of each specialist is found in the rows, with what it pointed at."""

from typing import Any

import pytest

from foveal.agent.actions import Depth, Detect, Look, Object, Read, Region
from foveal.agent.observations import Box, Detected, Failed, Found, Looked, Ranged, Recognised
from foveal.agent.regions import cells_to_box
from foveal.evals import earlier
from foveal.evals.earlier import last_calls
from foveal.evals.interference import BLANK
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.tools.store import ImageStore, content_hash

CUBE = Found(index=1, label="cube", box=Box(image="i", xyxy=(1, 2, 30, 40)), score=0.9)
CUBES = Detected(phrase="cube", objects=(CUBE,))
FIND, READ = Detect(phrase="cube"), Read(target=Object(index=1))


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(number: int, split: Split, size: Any) -> Any:
        assert size == size_of(number, split)
        return scene(number, split, (256, 256))

    monkeypatch.setattr(earlier, "scene", small)


def test_the_last_of_each_kind_with_its_marks_and_its_image(row: Any) -> None:
    region = Region(x0=1, y0=1, x1=2, y1=2)
    rows = [
        row("", "", None, CUBES, Recognised(), actions=[FIND, READ], scene=0),
        row("", "", None, Looked(), actions=[Look(target=region)], scene=1),
        row("", "", None, CUBES, actions=[Detect(phrase="cone")], scene=2),
    ]
    store = ImageStore()
    found = {call[0].kind: call for call in last_calls(rows, "val", store)}
    assert set(found) == {"detect", "read", "look"}
    assert found["detect"][0] == Detect(phrase="cone")
    ((read_mark,), (look_mark,)) = found["read"][2], found["look"][2]
    assert (read_mark.box, read_mark.index) == (CUBE.box, 1)
    assert look_mark.box.xyxy == tuple(map(float, cells_to_box(region, 80, 80)))
    for number in range(3):
        assert store.pixels(content_hash(scene(number, "val", (256, 256)).image)).any()


def test_only_what_a_specialist_answered_counts(row: Any) -> None:
    refused = Failed(error="action", message="there is no object 1; nothing was found so far")
    broken = Failed(error="specialist", message="depth failed: out of order")
    blanked = Failed(error="specialist", message=f"detector failed: {BLANK}")
    actions = [READ, Depth(), FIND]
    one = row("", "", None, refused, broken, blanked, actions=actions)
    assert [call[0] for call in last_calls([one], "val", ImageStore())] == [FIND]
    again = row("", "", None, Ranged(), actions=[Depth()])
    hop = again.result.hops[0].model_copy(update={"repeated": True})
    result = again.result.model_copy(update={"hops": (hop,)})
    repeated = again.model_copy(update={"result": result})
    assert last_calls([repeated], "val", ImageStore()) == []
