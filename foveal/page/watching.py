"""A run in the browser while it happens: each event makes the page anew; where a person is asked, it waits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from foveal.agent.errors import FovealError, InputError
from foveal.graphs.agent import Agent
from foveal.graphs.approval import ApprovalNeeded, Decision, Pending
from foveal.graphs.result import Result
from foveal.graphs.trace import Event
from foveal.page.cards import Card
from foveal.page.plates import Plate
from foveal.page.render import Page, filled
from foveal.page.story import Step, Story, hear, told
from foveal.tools.images import Pixels, Taken
from foveal.words import asked


@dataclass(frozen=True)
class Scene:
    """What is shown at one moment."""

    html: str
    waits: bool = False
    """For a person."""


@dataclass
class Watch:
    """One run, and all that was shown of it so far."""

    agent: Agent
    image: str
    question: str
    run: str | None = None
    """Its id, once it waits for a person."""
    story: Story | None = None
    pixels: Pixels | None = None
    cards: dict[int, Card] = field(default_factory=dict)

    async def ask(self) -> AsyncIterator[Scene]:
        """Scenes from the first to the last, or to the one that waits."""
        if not self.image:
            yield Scene(blank("", "there is no image yet; drop one"))
            return
        yield Scene(blank("loading the model"))
        try:
            self.pixels = (await asyncio.to_thread(self.agent.pictures, Path(self.image)))[0]
            stream = self.agent.stream(Taken(self.pixels, self.image), self.question)
            async for event in stream:
                if self._heard(event):
                    yield await self.scene()
        except ApprovalNeeded as needed:
            yield await self._waiting(needed)
        except FovealError as error:
            yield await self.scene(str(error))

    async def go_on(self, decision: Decision) -> AsyncIterator[Scene]:
        """The same after a person has decided about everything that waited."""
        assert self.run is not None
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        here = asyncio.get_running_loop()
        going = asyncio.create_task(self._resumed(decision, here, events))
        try:
            while (event := await events.get()) is not None:
                if self._heard(event):
                    yield await self.scene()
            await going
        except ApprovalNeeded as needed:
            yield await self._waiting(needed)
        except FovealError as error:
            yield await self.scene(str(error))
        finally:
            going.cancel()

    async def _resumed(
        self,
        decision: Decision,
        here: asyncio.AbstractEventLoop,
        events: "asyncio.Queue[Event | None]",
    ) -> Result:
        """The rest of the run, its events handed over from the agent's thread."""
        assert self.run is not None
        assert self.pixels is not None

        def tell(event: Event) -> None:
            here.call_soon_threadsafe(events.put_nowait, event)

        try:
            return await self.agent.runs.aresume(self.run, decision, images=self.pixels, watch=tell)
        finally:
            here.call_soon_threadsafe(events.put_nowait, None)

    def _heard(self, event: Event) -> bool:
        """Whether there is something new to see."""
        if event.kind == "said":
            return False
        if self.story is None:
            self.story = told([event]) if event.kind == "started" else None
        elif event.kind != "started":
            hear(self.story, event)
        return True

    async def _waiting(self, needed: ApprovalNeeded) -> Scene:
        self.run = needed.run
        assert self.story is not None
        for one in needed.pending:
            _show(self.story, one)
        wanted = ", ".join(asked(one.action, self.story.names) for one in needed.pending)
        scene = await self.scene(status=f"May it do this: {wanted}?")
        return Scene(scene.html, waits=True)

    async def scene(self, trouble: str = "", status: str = "") -> Scene:
        """What is shown now."""
        return Scene(await asyncio.to_thread(self._drawn, trouble, status))

    def _drawn(self, trouble: str, status: str) -> str:
        if self.story is None or self.pixels is None:
            return blank("", trouble)
        plate = Plate(self.story.started.asked.size, self.pixels)
        page = Page(self.story, [plate], self.cards)
        over = self.story.result is not None or trouble
        waiting = "" if over else status or self.story.awaited or "thinking"
        return filled("live.html", page=page, status=waiting, trouble=trouble)


def blank(status: str, trouble: str = "") -> str:
    """Before there is anything to draw."""
    return filled("waiting.html", status=status, trouble=trouble)


def decision_of(kind: str, region: str = "") -> Decision:
    """What a person said. Raises InputError for a region that is none."""
    if kind == "accept":
        return Decision.accept()
    if kind == "reject":
        return Decision.reject()
    try:
        x0, y0, x1, y1 = (float(side) for side in region.replace(",", " ").split())
    except ValueError:
        raise InputError(
            "a region is four numbers: left, top, right, bottom in pixels, as 10, 20, 110, 80"
        ) from None
    return Decision.edit(region=(x0, y0, x1, y1))


def _show(story: Story, pending: Pending) -> None:
    """Let what waits be seen where it points, before anything came back."""
    turn = next(turn for turn in reversed(story.turns) if turn.number == pending.turn)
    if pending.position not in turn.steps:
        number = len(story.steps) + 1
        turn.steps[pending.position] = Step(number, pending.action, 0, pending.marks)
