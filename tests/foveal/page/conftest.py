"""A made-up run with everything in it, and a real browser to look at its page."""

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.actions import (
    Action,
    Answer,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    Read,
    Region,
    Segment,
)
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Segmented,
    View,
    VisualTokens,
)
from foveal.agent.transcript import Acted, Asked, Noted
from foveal.graphs import trace
from foveal.graphs.budgets import Budgets, Spent
from foveal.graphs.result import Direct, Evidence, Hop, Result
from foveal.graphs.sketch import Sketch
from foveal.tools.base import Mark
from foveal.tools.catalogue import specialist_for
from foveal.tools.store import content_hash

SIZE = (320, 200)
BOXES = ((40, 30, 100, 90), (180, 60, 280, 160))
QUESTION = "Which <b>square</b> is larger?<script>document.title = 'stolen'</script>"
HOSTILE = "</p><script>document.title = 'stolen'</script><img src=http://192.0.2.1/x>"
PARTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Two light squares on grey, 320 x 200."""
    made = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
    for x0, y0, x1, y1 in BOXES:
        made[y0:y1, x0:x1] = (225, 222, 210)
    return made


@pytest.fixture
def picture(pixels: NDArray[np.uint8], tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "squares.png"
    Image.fromarray(pixels).save(path)
    return path


def _sketch(grey: NDArray[np.uint8]) -> Sketch:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return Sketch(png=base64.b64encode(file.getvalue()).decode())


class Recorder:
    """Writes down a run that never was."""

    def __init__(self, image: str, sources: tuple[str, ...]) -> None:
        self.events: list[trace.Event] = [
            trace.Started(
                run="20260102T030405-0a1b2c3d",
                asked=Asked(image=image, size=SIZE, question=QUESTION, tools=("look", "detect")),
                profile="embedded",
                model="made up",
                budgets=Budgets(),
                version="0",
                sources=sources,
            )
        ]
        self.image, self.clock, self.turns = image, 0.4, 0
        self.spent = Spent()
        self.hops: list[Hop] = []

    def box(self, xyxy: tuple[float, float, float, float]) -> Box:
        return Box(image=self.image, xyxy=xyxy)

    def think(self, text: str, *actions: Action, error: str | None = None) -> None:
        self.turns += 1
        self.spent = self.spent.model_copy(
            update={"emitted": self.spent.emitted + 7, "prefilled": self.spent.prefilled + 40,
                    "visual": 64, "hops": self.turns, "seconds": self.clock}
        )  # fmt: skip
        acted = Acted(text=text, actions=actions, confidence=0.93)
        self.events.append(
            trace.Thought(turn=self.turns, acted=acted, error=error, spent=self.spent, seconds=0.25)
        )
        self.clock += 0.25

    def call(self, position: int, action: Perception, *marks: Mark) -> None:
        name = specialist_for(action.kind)
        self.events.append(
            trace.Called(
                turn=self.turns, position=position, action=action, specialist=name, marks=marks
            )
        )

    def come_back(
        self,
        position: int,
        action: Perception,
        seen: Observation,
        sketch: Sketch | None = None,
        **how: Any,
    ) -> None:
        refused = isinstance(seen, Failed) and seen.error == "action"
        name = None if refused or "repeated" in how else specialist_for(action.kind)
        seconds = 0.5 if name else 0.0
        hop = Hop(
            turn=self.turns,
            action=action,
            specialist=name,
            observation=seen,
            seconds=seconds,
            **how,
        )
        self.hops.append(hop)
        self.clock += seconds
        self.events.append(trace.Returned(position=position, hop=hop, sketch=sketch))

    def see(
        self, action: Perception, seen: Observation, sketch: Sketch | None = None, *marks: Mark
    ) -> None:
        self.think(f"<|{action.kind}_start|>x<|{action.kind}_end|>", action)
        self.call(0, action, *marks)
        self.come_back(0, action, seen, sketch)

    def finish(self, answer: str, **how: Any) -> None:
        usage = self.spent.model_copy(update={"actions": len(self.hops)})
        result = Result(
            answer=answer,
            confidence=0.87,
            hops=tuple(self.hops),
            ended_by="answer",
            usage=usage,
            seconds=self.clock,
            trace=None,
            run="20260102T030405-0a1b2c3d",
            image=self.image,
            **how,
        )
        self.events.append(trace.Finished(result=result))


@pytest.fixture
def recorder(pixels: NDArray[np.uint8], picture: Path) -> Recorder:
    """A run that has just begun."""
    return Recorder(content_hash(pixels), (str(picture),))


@pytest.fixture
def everything(recorder: Recorder) -> list[trace.Event]:
    """A run with every kind of hop, a refusal, a turn that could not be read, and an answer without looking."""
    small, large = (recorder.box(xyxy) for xyxy in BOXES)
    marks = Mark(small, 1, "square"), Mark(large, 2, "square")
    recorder.events.append(trace.Aside(purpose="gate"))
    found = tuple(
        Found(index=mark.index, label="square", box=mark.box, score=0.9) for mark in marks
    )
    recorder.see(Detect(phrase="square"), Detected(phrase="square", objects=found))
    mask = np.zeros((100, 100), np.uint8)
    mask[:, :50] = 255
    outline = Segment(target=Object(index=2))
    outlined = Segmented(
        index=2, label="square", box=large, area=5000, share=0.078, centroid=(205, 110)
    )
    recorder.see(outline, outlined, _sketch(mask), marks[1])
    ranges = tuple(
        Range(index=m.index, label="square", box=m.box, depth=0.2 * m.index) for m in marks
    )
    slope = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (60, 1))
    depth = Depth(targets=(Object(index=1), Object(index=2)))
    recorder.see(depth, Ranged(ranges=ranges), _sketch(slope), *marks)
    part = recorder.box((0, 0, 160, 100))
    seen = Looked(
        views=(
            View(
                role="crop", pixels=part, source=part, tokens=VisualTokens(key="k", grid=(1, 8, 8))
            ),
        )
    )
    recorder.see(Look(target=Region(x0=0, y0=0, x1=2, y1=2)), seen, None, Mark(part))
    recorder.see(
        Read(),
        Recognised(lines=(Line(text=HOSTILE, box=recorder.box((10, 170, 300, 195)), score=0.7),)),
    )
    again = Detect(phrase="square")
    recorder.think("<|detect_start|>square<|detect_end|><|look_start|><|obj_9|><|look_end|>", again)
    recorder.come_back(0, again, Detected(phrase="square", objects=found), repeated=True)
    missing = Look(target=Object(index=9))
    recorder.come_back(1, missing, Failed(error="action", message="there is no object 9"))
    recorder.think("<|obj_1|>", error="<|obj_1|> stands outside an action")
    recorder.events.append(
        trace.Told(noted=Noted(text="<|obj_1|> stands outside an action", error=True))
    )
    recorder.think(f"2 {HOSTILE}", Answer(text="2"))
    evidence = tuple(
        Evidence(label="square", box=xyxy, score=0.9, action="detect") for xyxy in BOXES
    )
    direct = Direct(answer="1", confidence=0.4, usage=Spent(emitted=3))
    thought = recorder.events[2]
    assert isinstance(thought, trace.Thought)
    recorder.events.insert(
        2, trace.DirectAnswer(purpose="gate", stands=False, direct=direct, thoughts=(thought,))
    )
    recorder.finish("the second square", notes=(HOSTILE,), evidence=evidence, direct=direct)
    return recorder.events


@pytest.fixture
def written(tmp_path: Path) -> Callable[[list[trace.Event]], Path]:
    """Writes a trace."""

    def write(events: list[trace.Event]) -> Path:
        path = tmp_path / "run.jsonl"
        with trace.TraceWriter(path) as writer:
            for event in events:
                writer.write(event)
        return path

    return write


class Window:
    """A browser that remembers what went wrong, and whatever asked for anything but a file or this machine."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self.faults: list[str] = []
        self.asked: list[str] = []

    def open(self, address: Path | str, **how: Any) -> Any:
        """The page, loaded; `how` is a viewport, a colour scheme."""
        context = self._browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **how})
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._note(request.url))
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        return page

    def _hear(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.faults.append(said.text)

    def _note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:", "file:", "http://127.0.0.1:", "ws://127.0.0.1:")):
            self.asked.append(url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Modules that use it hold no asynchronous tests: it runs an event loop of its own meanwhile."""
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        pytest.skip("there is no Chromium; install Debian's package `chromium`")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install playwright")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=PARTS)
        yield started
        started.close()


@pytest.fixture
def window(browser: Any) -> Iterator[Window]:
    """A browser whose pages must behave: nothing on the console, nothing asked of the network."""
    yield (made := Window(browser))
    for context in browser.contexts:
        context.close()
    assert (made.faults, made.asked) == ([], [])
