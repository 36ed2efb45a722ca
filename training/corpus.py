"""Dialogues to imitate: a question, the looks that answer it, and what the specialists would have said.

What specialists say is written by the same code that serves it (`agent.dialogue`), from the scene's truth
with the mistakes a real detector makes. Grounding goes by index: detect first, then refer to what was found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from foveal.agent.actions import (
    MAX_TARGETS,
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    PerceptionKind,
    Read,
    Segment,
)
from foveal.agent.grammar import render
from foveal.agent.observations import (
    Box,
    Detected,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Segmented,
    View,
)
from foveal.agent.regions import grown
from foveal.agent.transcript import Acted, Asked, Noted, Observed, numbered
from foveal.evals.questions import Question
from foveal.evals.truth import Thing
from foveal.evals.vocabulary import NAMES, SHAPES, label, parts

TOOLS: tuple[PerceptionKind, ...] = ("look", "detect", "segment", "depth", "read")
"""The perception actions of the embedded model."""
IMAGE = "0" * 64
"""Stands for the scene's content hash, which the dialogue never spells."""
READING = ("read", "reading")
"""Families whose answer is what the reader returns."""
FINISH = "Now answer the question."


@dataclass(frozen=True)
class World:
    """What the simulated specialists look at."""

    things: tuple[Thing, ...]
    size: tuple[int, int]
    """Width and height in pixels."""
    rng: np.random.Generator
    missed: float = 0.03
    """Probability that the detector overlooks a thing."""
    invented: float = 0.03
    """Probability that it reports a thing that is not there."""
    views: bool = False
    """Whether a look comes with visual tokens."""
    text: str | None = None
    """Text that reading the whole image gives; None takes the signs."""


@dataclass(frozen=True)
class Dialogue:
    """One run, as training material."""

    asked: Asked
    items: tuple[Acted | Observed | Noted, ...]


def whole(size: tuple[int, int]) -> Box:
    """All of an image of this width and height."""
    return Box(image=IMAGE, xyxy=(0, 0, *size))


def dialogue(world: World, question: Question, tools: Sequence[PerceptionKind]) -> Dialogue:
    """The run that answers a question with the given tools, ending in the answer.

    A step whose tool is not allowed ends the looking; so does, now and then, a budget.
    """
    asked = Asked(image=IMAGE, size=world.size, question=question.text, tools=tuple(tools))
    player = _Player(world, question, frozenset(tools))
    items = [*player.play()]
    return Dialogue(asked, (*items, Acted(text=player.answer)))


class _Player:
    """Takes the steps of one question's plan, each depending on what the last one found."""

    def __init__(self, world: World, question: Question, tools: frozenset[PerceptionKind]) -> None:
        self.world, self.question, self.tools = world, question, tools
        self.found: tuple[Found, ...] = ()
        self.origin: dict[int, Thing | None] = {}
        target = next((t for t in world.things if t.id in question.targets[:1]), None)
        self.reads = question.family in READING or bool(target and target.text == question.answer)
        # What was never read is not known: no answer of that kind may be made up.
        self.answer = "unknown" if self.reads else question.answer

    def play(self) -> list[Acted | Observed | Noted]:
        items: list[Acted | Observed | Noted] = []
        for step in _PLANS[self.question.family]:
            actions = step(self)
            if not actions or any(action.kind not in self.tools for action in actions):
                break
            items.append(Acted(text="".join(render(action) for action in actions)))
            items += [Observed(action=a, observation=self._observe(a)) for a in actions]
            if self.world.rng.random() < 0.03:
                items.append(Noted(text=FINISH))
                break
        return items

    def _observe(self, action: Perception) -> Observation:
        match action:
            case Detect():
                return self._detect(action)
            case Depth():
                return self._range(action)
            case Segment(target=Object(index=index)):
                return self._segment(index)
            case Read(target=Object(index=index)):
                thing = self.origin.get(index)
                return self._read(thing.text if thing and thing.text else "")
            case Read():
                return self._read(self._all_text())
            case Look(target=Object(index=index)):
                return self._look(index)
            case _:
                raise ValueError(f"no plan uses {action!r}")

    def _detect(self, action: Detect) -> Detected:
        rng, phrases = self.world.rng, action.phrase.split(" . ")
        known = [phrase for phrase in phrases if _known(phrase)]
        seen: list[tuple[Found, Thing | None]] = []
        for thing in self.world.things:
            if any(fits(thing, phrase) for phrase in known) and rng.random() > self.world.missed:
                seen.append((self._sighted(thing), thing))
        if known and self.world.things and rng.random() < self.world.invented:
            thing = self.world.things[rng.integers(len(self.world.things))]
            name = known[0] if known[0] in NAMES else None
            seen.append((self._sighted(thing, name), None))
        seen.sort(key=lambda pair: pair[0].box.xyxy[0] + pair[0].box.xyxy[2])
        unknown = tuple(phrase for phrase in phrases if not _known(phrase))
        detected = Detected(
            phrase=action.phrase, objects=tuple(f for f, _ in seen), unknown=unknown
        )
        detected = numbered(detected, len(self.found))
        self.origin |= {f.index: t for f, (_, t) in zip(detected.objects, seen, strict=True)}
        self.found += detected.objects
        if self.question.family == "count":
            self.answer = str(len(detected.objects)) if known else self.answer
        if self.question.family == "exist" and known:
            self.answer = "yes" if detected.objects else "no"
        return detected

    def _sighted(self, thing: Thing, name: str | None = None) -> Found:
        jitter = self.world.rng.normal(0, 1.5, 4)
        x0, y0, x1, y1 = (float(v + j) for v, j in zip(thing.box, jitter, strict=True))
        width, height = self.world.size
        x0, y0 = min(max(x0, 0), width - 4.0), min(max(y0, 0), height - 4.0)
        xyxy = (x0, y0, min(max(x1, x0 + 2), float(width)), min(max(y1, y0 + 2), float(height)))
        score = float(np.clip(self.world.rng.beta(8, 2), 0.25, 0.99))
        return Found(
            label=name or label(thing.colour, thing.shape),
            box=Box(image=IMAGE, xyxy=xyxy),
            score=score,
        )

    def _by_index(self, index: int) -> Found:
        return next(found for found in self.found if found.index == index)

    def _range(self, action: Depth) -> Ranged:
        def depth(index: int) -> float:
            thing = self.origin.get(index)
            return thing.depth if thing else float(self.world.rng.uniform(2, 8))

        ranges = [
            Range(index=o.index, label=self._by_index(o.index).label, box=self._by_index(o.index).box,
                  depth=min(1.0, depth(o.index) / 20))
            for o in action.targets if isinstance(o, Object)
        ]  # fmt: skip
        return Ranged(ranges=tuple(sorted(ranges, key=lambda r: r.depth)))

    def _segment(self, index: int) -> Segmented:
        found, thing = self._by_index(index), self.origin.get(index)
        visible = thing.visible if thing else 0.7 * found.box.area
        area = max(1, int(visible * self.world.rng.normal(1, 0.04)))
        width, height = self.world.size
        x0, y0, x1, y1 = found.box.xyxy
        return Segmented(
            index=index, label=found.label, box=found.box, area=area, share=area / (width * height),
            centroid=((x0 + x1) / 2, (y0 + y1) / 2),
        )  # fmt: skip

    def _read(self, text: str) -> Recognised:
        if self.reads:
            self.answer = text or "no text"
        if not text:
            return Recognised()
        return Recognised(lines=(Line(text=text, box=whole(self.world.size), score=0.9),))

    def _all_text(self) -> str:
        if self.world.text is not None:
            return self.world.text
        signs = [thing for thing in self.world.things if thing.text]
        return " ".join(t.text or "" for t in sorted(signs, key=lambda thing: thing.box[1]))

    def _look(self, index: int) -> Looked:
        found = self._by_index(index)
        views: tuple[View, ...] = ()
        if self.world.views:
            box = Box(image=IMAGE, xyxy=grown(found.box.xyxy, *self.world.size))
            views = (View(role="crop", pixels=box, source=box),)
        return Looked(index=index, label=found.label, views=views)

    # The steps of the plans: each returns the actions of one turn, or none to answer.

    def detect(self) -> list[Perception]:
        return [Detect(phrase=" . ".join(self.question.phrases))]

    def look(self) -> list[Perception]:
        return [Look(target=Object(index=f.index)) for f in self.found[:1]]

    def read_found(self) -> list[Perception]:
        if not self.found:
            return [Read()]
        return [Read(target=Object(index=self.found[0].index))]

    def read_all(self) -> list[Perception]:
        return [Read()]

    def read_target(self) -> list[Perception]:
        """Read the thing that is asked about, if it has a text; another one, if it was not found."""
        if not self.reads:
            return []
        wanted = self.question.targets[0]
        found = [f for f in self.found if (t := self.origin.get(f.index)) and t.id == wanted]
        return [Read(target=Object(index=f.index)) for f in [*found, *self.found][:1]]

    def depth(self) -> list[Perception]:
        if len(self.found) < 2:
            return []
        return [Depth(targets=tuple(Object(index=f.index) for f in self.found[:MAX_TARGETS]))]

    def segment(self) -> list[Perception]:
        if len(self.found) < 2:
            return []
        return [Segment(target=Object(index=f.index)) for f in self.found[:4]]


def fits(thing: Thing, phrase: str) -> bool:
    """Whether a thing's label fits a canonical phrase ("red cube", "cube", "red thing", "thing")."""
    colour, noun = parts(phrase)
    said, _ = parts(label(thing.colour, thing.shape))
    return noun in (thing.shape, "thing") and colour in (None, said)


def _known(phrase: str) -> bool:
    return phrase.split()[-1] in (*SHAPES, "thing")


_PLANS: dict[str, tuple[Callable[[_Player], list[Perception]], ...]] = {
    "count": (_Player.detect,),
    "exist": (_Player.detect,),
    "colour": (_Player.detect, _Player.look),
    "shape": (_Player.detect, _Player.look),
    "material": (_Player.detect, _Player.look),
    "texture": (_Player.detect, _Player.look),
    "read": (_Player.detect, _Player.read_found),
    "nearer": (_Player.detect, _Player.depth),
    "side": (_Player.detect,),
    "above": (_Player.detect,),
    "larger": (_Player.detect, _Player.segment),
    "size": (_Player.detect, _Player.depth, _Player.segment),
    "more": (_Player.detect,),
    "same": (_Player.detect,),
    "hop": (_Player.detect, _Player.read_target),
    "symbol": (_Player.detect, _Player.look),
    "dial": (_Player.detect, _Player.look),
    "tiny": (_Player.detect, _Player.look),
    "unheard": (_Player.detect,),
    "reading": (_Player.read_all,),
    "open": (),
}
"""The turns that answer each family. The last three are questions from outside the tabletop."""
