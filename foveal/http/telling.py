"""A run's events as pieces of a reply: what is the answer, and what is the way to it."""

from collections.abc import Iterator

from foveal.agent.transcript import Acted
from foveal.graphs.nodes import LAST_CALL
from foveal.graphs.plan import perceptions
from foveal.graphs.result import Hop, Result
from foveal.graphs.trace import Event, Thought
from foveal.terminal import printable
from foveal.words import asked, came_back

Delta = dict[str, str]
"""A piece of the answer, under `content`, or of the way to it, under `reasoning_content`."""


class Teller:
    """Listens to one run.

    A turn's words are the answer only if no action follows them, so they are held back until the turn is over;
    where nothing can follow, as in a last turn or without tools, they are passed on as they come.
    """

    def __init__(self, fitting: bool) -> None:
        """`fitting`: whether the answer is to fit a schema. It may then be mended, so it comes as a whole."""
        self._fitting = fitting
        self._certain = False
        self._turn = ""
        self._sent = ""
        self._names: dict[int, str] = {}

    def hear(self, event: Event) -> Iterator[Delta]:
        """What one event adds to the reply."""
        match event.kind:
            case "started":
                self._certain = not event.asked.tools
            case "told":
                self._certain = self._certain or event.noted == LAST_CALL
            case "said":
                yield from self._said(event.text)
            case "thought":
                yield from self._thought(event)
            case "returned":
                yield {"reasoning_content": self._hop(event.hop)}
            case "aside":
                yield {"reasoning_content": "answering without looking\n"}
            case "finished":
                yield from self._rest(event.result)
            case _:
                return

    def _said(self, text: str) -> Iterator[Delta]:
        if self._fitting or not self._certain:
            return
        self._turn += text
        words = self._turn.partition("<")[0].strip()  # an action is no part of an answer
        if words.startswith(self._sent) and words != self._sent:
            piece, self._sent = words[len(self._sent) :], words
            yield {"content": piece}

    def _thought(self, thought: Thought) -> Iterator[Delta]:
        self._turn = ""
        if thought.error:
            yield {"reasoning_content": f"turn {thought.turn} could not be read: {thought.error}\n"}
        elif prose := _beside_actions(thought.acted):
            yield {"reasoning_content": f"{printable(prose)}\n"}

    def _hop(self, hop: Hop) -> str:
        lines = [
            asked(hop.action, self._names),
            *(f"  {line}" for line in came_back(hop.observation)),
        ]
        if hop.observation.kind == "detected":
            self._names |= {found.index: found.label for found in hop.observation.objects}
        return printable("\n".join(lines)) + "\n"

    def _rest(self, result: Result) -> Iterator[Delta]:
        answer = result.answer
        if self._fitting:
            yield from fitted(result)
        elif answer.startswith(self._sent):
            if answer != self._sent:
                yield {"content": answer[len(self._sent) :]}
        else:  # the words sent so far belonged to a turn that could not be read
            yield {"content": f"\n{answer}"}


def fitted(result: Result) -> Iterator[Delta]:
    """The answer as JSON that fits, or else a refusal: nothing that does not fit is passed off as an answer."""
    import json

    if result.value is not None:
        yield {"content": json.dumps(result.value, ensure_ascii=False)}
    else:
        why = [note for note in result.notes if "schema" in note] or ["there is no answer"]
        yield {"refusal": why[-1]}


def _beside_actions(acted: Acted) -> str:
    """What a turn says besides asking for another look."""
    if not perceptions(acted):
        return ""
    return " ".join(action.text for action in acted.actions if action.kind == "answer").strip()
