"""Dialogues to imitate: a question, the looks that answer it, and what the specialists would have said.

What specialists say is written by the same code that serves it (`agent.wording`), from the scene's truth
with the mistakes a real detector makes. Grounding goes by index: detect first, then refer to what was found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foveal.agent.actions import (
    GRID,
    MAX_TARGETS,
    Depth,
    Detect,
    Encoder,
    Look,
    Object,
    Perception,
    PerceptionKind,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.grammar import render
from foveal.agent.observations import Detected, Failed, Found, Observation, Recognised
from foveal.agent.regions import box_to_cells
from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.evals.questions import Question
from foveal.evals.truth import Thing
from foveal.evals.vocabulary import TRINKETS, parts
from foveal.training.observing import IMAGE, Specialists, World

TOOLS: tuple[PerceptionKind, ...] = ("look", "reencode", "detect", "segment", "depth", "read")
"""The perception actions of the embedded model, in the order that prompts use."""
READING = ("read", "reading")
"""Families whose answer is what the reader returns."""
SEEN_AGAIN: dict[str, Encoder] = {
    "nearer": "detection",
    "larger": "seg",
    "count": "clip",
    "exist": "clip",
    "shape": "clip",
}
"""What a family is answered from where no specialist may be asked: the image through another encoder.

The one behind "detection" is a depth estimator's, the one behind "seg" a segmenter's, "clip" the model's own.
"""
POINTED = ("colour", "shape", "material", "texture", "read", "symbol", "dial")
"""Families about one thing that can be made out in the first view."""
SLIVER = 0.3
"""How far into a cell, of its length, a thing may reach without having it pointed at: crops have a margin."""
FINISH = "Now answer the question."


@dataclass(frozen=True)
class Dialogue:
    """One run, as training material."""

    asked: Asked
    items: tuple[Acted | Observed | Noted, ...]
    settled: bool = True
    """Whether what was observed decides the answer; if not, only the picture itself can."""


def dialogue(world: World, question: Question, tools: Sequence[PerceptionKind]) -> Dialogue:
    """The run that answers a question with the given tools, ending in the answer.

    A step whose tool is not allowed ends the looking; so does, now and then, a budget.
    """
    asked = Asked(image=IMAGE, size=world.size, question=question.text, tools=tuple(tools))
    player = _Player(world, question, frozenset(tools))
    items = [*player.play()]
    return Dialogue(asked, (*items, Acted(text=player.answer)), player.settled)


class _Player:
    """Takes the steps of one question's plan, each depending on what the last one found."""

    def __init__(self, world: World, question: Question, tools: frozenset[PerceptionKind]) -> None:
        self.world, self.question, self.tools = world, question, tools
        target = next((t for t in world.things if t.id in question.targets[:1]), None)
        self.specialists = Specialists(world, target)
        self.reads = question.family in READING or bool(target and target.text == question.answer)
        # What was never read is not known: no answer of that kind may be made up.
        self.answer = "unknown" if self.reads else question.answer
        self.settled = True

    @property
    def found(self) -> tuple[Found, ...]:
        """All that was detected so far."""
        return self.specialists.found

    def play(self) -> list[Acted | Observed | Noted]:
        items: list[Acted | Observed | Noted] = []
        plan = self._plan()
        for step in plan:
            actions = step(self)
            if actions is None:
                continue
            if any(action.kind not in self.tools for action in actions):
                self.settled = self.reads
            if not actions or any(action.kind not in self.tools for action in actions):
                break
            items.append(Acted(text="".join(render(action) for action in actions)))
            seen = [Observed(action=a, observation=self._told(a)) for a in actions]
            items += seen
            if any(self._lost(one.observation) for one in seen):
                self.settled = self.reads
                break  # what the first look shows is all there is
            if self.world.rng.random() < 0.03:
                items.append(Noted(text=FINISH))
                self.settled = step == plan[-1]
                break
        return items

    def _lost(self, seen: Observation) -> bool:
        return isinstance(seen, Failed) or self._astray(seen)

    def _astray(self, seen: Observation) -> bool:
        return self.specialists.astray and isinstance(seen, Detected)

    def _plan(self) -> "Plan":
        """Without a detector the model must point at what it sees itself, or see all of it once more."""
        family = self.question.family
        if "detect" in self.tools:
            return _PLANS[family]
        if self.world.encoders and "reencode" in self.tools and family in SEEN_AGAIN:
            return (_Player.look_again,)
        if self.world.views and family in POINTED and self.question.targets:
            return _POINTING.get(family, (_Player.look_there,))
        return _PLANS[family]

    def _told(self, action: Perception) -> Observation:
        """What the specialist says, and the answer that follows from it."""
        seen = self.specialists.observe(action)
        if isinstance(seen, Detected) and not self._astray(seen):
            self._listed(seen)
        if isinstance(seen, Recognised) and self.reads:
            self.answer = " ".join(line.text for line in seen.lines) or "no text"
        return seen

    def _listed(self, detected: Detected) -> None:
        family = self.question.family
        known = len(detected.unknown) < len(detected.phrase.split(" . "))
        if family == "count" and known:
            self.answer = str(len(detected.objects))
        if family == "exist" and known:
            self.answer = "yes" if detected.objects else "no"
        if family == "same" and len(self.found) > len(detected.objects):
            self._partner(detected)

    def _partner(self, detected: Detected) -> None:
        """What cannot be read off the second list is not known."""
        others = [f.label for f in detected.objects if f.label != self.found[0].label]
        if self.question.answer not in others:
            self.answer = others[0] if others else "unknown"

    def _target(self) -> Thing:
        return next(t for t in self.world.things if t.id == self.question.targets[0])

    def _there(self) -> Region:
        """The cells of what is asked about, but for slivers."""
        return box_to_cells(_core(self._target().box, self.world.size), *self.world.size)

    # The steps of the plans: each returns the actions of one turn, none to answer, or None to go on.

    def detect(self) -> list[Perception]:
        return [Detect(phrase=" . ".join(self.question.phrases))]

    def detect_each(self) -> list[Perception]:
        """Each kind by itself, so that each is counted."""
        return [Detect(phrase=phrase) for phrase in self.question.phrases]

    def detect_one(self) -> list[Perception]:
        return [Detect(phrase=self.question.phrases[0])]

    def alike(self) -> list[Perception]:
        """All that has the colour, or the shape, of what was found."""
        if not self.found or not self.question.targets:
            return self._at_a_loss()
        colour, noun = parts(self.found[0].label)
        one, other = (
            next(t for t in self.world.things if t.id == i) for i in self.question.targets
        )
        return [Detect(phrase=f"{colour} thing" if one.colour == other.colour else noun)]

    def again(self) -> list[Perception] | None:
        """What was not found may have been taken for another colour, or a trinket for the other one."""
        phrase = self.question.phrases[0]
        noun = phrase.split()[-1]
        if self.found or (noun == phrase and noun not in TRINKETS):
            return None
        return [Detect(phrase=" . ".join(TRINKETS) if noun in TRINKETS else noun)]

    def look(self) -> list[Perception]:
        return [Look(target=Object(index=f.index)) for f in self._likeliest()]

    def look_again(self) -> list[Perception]:
        return [Reencode(encoder=SEEN_AGAIN[self.question.family])]

    def look_there(self) -> list[Perception]:
        return [Look(target=self._there())]

    def read_there(self) -> list[Perception]:
        return [Read(target=self._there())]

    def read_found(self) -> list[Perception]:
        return [Read(target=Object(index=f.index)) for f in self._likeliest()] or [Read()]

    def _likeliest(self) -> list[Found]:
        """Of what was found the one that is asked about, or any."""
        wanted = self.question.targets[:1]
        same = [f for f in self.found if (t := self.specialists.thing(f.index)) and t.id in wanted]
        return [*same, *self.found][:1]

    def both(self) -> list[Perception] | None:
        """Of two things that are compared one may not have been found."""
        return None if len(self.found) > 1 else self._at_a_loss()

    def _at_a_loss(self) -> list[Perception]:
        """What would settle the question was not found."""
        self.settled = False
        return []

    def read_all(self) -> list[Perception]:
        return [Read()]

    def read_target(self) -> list[Perception]:
        """Read the thing that is asked about, if it has a text; another one, if it was not found."""
        if not self.reads:
            seen = {t.id for f in self.found if (t := self.specialists.thing(f.index))}
            return [] if seen.issuperset(self.question.targets) else self._at_a_loss()
        wanted = self.question.targets[0]
        found = [f for f in self.found if (t := self.specialists.thing(f.index)) and t.id == wanted]
        return [Read(target=Object(index=f.index)) for f in [*found, *self.found][:1]]

    def depth(self) -> list[Perception]:
        if len(self.found) < 2:
            return self._at_a_loss()
        return [Depth(targets=tuple(Object(index=f.index) for f in self.found[:MAX_TARGETS]))]

    def measure(self) -> list[Perception]:
        """Distances and outlines together: what is told of both is the true size."""
        return [*self.depth(), *self.segment()]

    def segment(self) -> list[Perception]:
        if len(self.found) < 2:
            return self._at_a_loss()
        return [Segment(target=Object(index=f.index)) for f in self.found[:4]]


def _core(
    box: tuple[int, int, int, int], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """A box (xyxy, pixels) less a sliver on every side; its middle if it is no wider than two."""
    dx, dy = (SLIVER * length / GRID for length in size)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(box[0] + dx, x), min(box[1] + dy, y), max(box[2] - dx, x), max(box[3] - dy, y)


Plan = tuple[Callable[[_Player], list[Perception] | None], ...]

_PLANS: dict[str, Plan] = {
    "count": (_Player.detect,),
    "exist": (_Player.detect,),
    "colour": (_Player.detect, _Player.look),
    "shape": (_Player.detect, _Player.look),
    "material": (_Player.detect, _Player.again, _Player.look),
    "texture": (_Player.detect, _Player.again, _Player.look),
    "read": (_Player.detect, _Player.again, _Player.read_found),
    "nearer": (_Player.detect, _Player.depth),
    "side": (_Player.detect, _Player.both),
    "above": (_Player.detect, _Player.both),
    "larger": (_Player.detect, _Player.segment),
    "size": (_Player.detect, _Player.measure),
    "more": (_Player.detect_each,),
    "same": (_Player.detect_one, _Player.alike),
    "hop": (_Player.detect, _Player.read_target),
    "symbol": (_Player.detect, _Player.again, _Player.look),
    "dial": (_Player.detect, _Player.again, _Player.look),
    "tiny": (_Player.detect, _Player.again, _Player.look),
    "unheard": (_Player.detect,),
    "reading": (_Player.read_all,),
    "open": (),
}
"""The turns that answer each family. The last three are questions from outside the tabletop."""

_POINTING: dict[str, Plan] = {"read": (_Player.read_there,)}
"""What differs where the model points at a region of the grid itself."""
