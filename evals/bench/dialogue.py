"""One question with a second look: in a session of ours, and in the published procedure, token for token."""

from collections.abc import Callable, Coroutine
from typing import Any

from foveal.agent.actions import Reencode
from foveal.agent.grammar import render
from foveal.agent.native.context import Again, Part, Seen
from foveal.agent.native.model import NativeModel
from foveal.agent.observations import Box, Reencoded, View, VisualTokens
from foveal.agent.transcript import Asked, Observed
from foveal.agent.wording import Reseen
from foveal.evals.bench.pictures import photograph
from foveal.evals.bench.reference import TwoPasses
from foveal.evals.bench.steered import steered
from foveal.tools.store import ImageStore

QUESTION = "Which of the things on the table is nearest to the door, and what is written on it?"
SIZE = (640, 480)
AGAIN = Reencode(encoder="clip")

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Waits for a coroutine."""


class Dialogue:
    """Both ways, side by side."""

    def __init__(self, model: NativeModel, run: Run) -> None:
        import torch

        self._model, self._run = model, run
        self._script = steered(model)
        self._store = ImageStore()
        image = self._store.put(photograph(*SIZE))
        self._asked = Asked(image=image, size=SIZE, question=QUESTION, tools=("reencode",))
        self._observed = self._second_look(image)
        self.session = run(model.open([self._asked], self._store))
        words = torch.from_numpy(self._script.text)
        self.reference = TwoPasses(model.network, model.projectors["clip"], model.controls, words)
        self.looked = 0
        """Tokens that our session computed for the second look."""

    @property
    def new(self) -> int:
        """Tokens that the second look adds to the conversation."""
        return sum(
            len(part) if isinstance(part, list) else len(part.values) for part in self._reply()
        )

    def first_turn(self) -> None:
        """The model asks for the second look, as it is made to."""
        self._script.script = [*self._turn(), self._script.end]
        self._run(self.session.act(("reencode",), len(self._script.script)))
        self._script.script = []

    def look(self) -> None:
        """Our session is shown what it asked for."""
        before = self.session.usage.prefilled
        self._run(self.session.observe([self._observed]))
        self.looked = self.session.usage.prefilled - before

    def prefill(self) -> None:
        """The published procedure is given the whole conversation again."""
        self.reference.prefill([*self._opening(), self._turn(), *self._reply()])

    def decode(self, count: int) -> list[int]:
        """As many tokens of ours."""
        return list(self._run(self.session.act((), count)).tokens)

    def _second_look(self, image: str) -> Observed:
        """What the encoder saw lies in the store already: encoding costs both ways the same."""
        seen = self._model.vision.encode(self._store.pixels(image))
        tokens = VisualTokens(key=self._store.put_array(seen.values), grid=seen.grid)
        whole = Box(image=image, xyxy=(0, 0, *SIZE))
        view = View(role="whole", pixels=whole, source=whole, tokens=tokens)
        return Observed(action=AGAIN, observation=Reencoded(encoder="clip", views=(view,)))

    def _opening(self) -> list[Part]:
        ids = self._model.ids
        before, after = self._model.dialect.opening(self._asked)
        seen = self._model.vision.encode(self._store.pixels(self._asked.image))
        look = Seen(seen.values, seen.grid)
        return [ids(f"{before}<|vision_start|>"), look, ids(f"<|vision_end|>{after}")]

    def _turn(self) -> list[int]:
        return self._model.ids(render(AGAIN))

    def _reply(self) -> list[Part]:
        ids = self._model.ids
        parts: list[Part] = []
        for piece in self._model.dialect.reply([self._observed], self._asked):
            if isinstance(piece, str):
                parts.append(ids(piece))
            elif isinstance(piece, Reseen) and piece.view.tokens is not None:
                again = Again("clip", self._store.array(piece.view.tokens.key), 0)
                parts += [ids("<|vision_start|>"), again, ids("<|vision_end|>")]
        return parts
