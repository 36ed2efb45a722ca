"""What was said before a question, as a transcript that the model goes on with.

Clients send the whole dialogue with every request and nothing is kept, so a session is opened anew: earlier
answers are known, what was seen on the way to them is not.
"""

import asyncio
from collections.abc import Sequence

from foveal.agent.actions import Answer
from foveal.agent.transcript import Acted, Asked, Original
from foveal.graphs.run import Parts
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Entry
from foveal.graphs.talk import Talk
from foveal.http.question import Question
from foveal.tools.images import Pixels


async def resumed(
    question: Question, pictures: Sequence[Pixels], parts: Parts
) -> tuple[str, Talk | None]:
    """The question's words, and the dialogue that it goes on with, if there is one that the model understands.

    Instructions are put before the first question; a model that follows none does not hear them.
    """
    sessions = Sessions(parts.model, parts.store)
    wishes = [question.wishes] if question.wishes and sessions.instructed else []
    if not question.earlier or not sessions.converses:
        return "\n\n".join([*wishes, question.text]), None
    shown = [await asyncio.to_thread(_original, pixels, parts) for pixels in pictures]
    (opening, answer), *rest = question.earlier
    turns = [("\n\n".join([*wishes, opening]), answer), *rest]
    said = [entry for turn in turns for entry in _entries(turn, shown, question)]
    return question.text, Talk(sessions, said)


def _original(pixels: Pixels, parts: Parts) -> Original:
    height, width, _ = pixels.shape
    return Original(image=parts.store.put(pixels), size=(width, height))


def _entries(
    turn: tuple[str, str], shown: Sequence[Original], question: Question
) -> tuple[Entry, Entry]:
    first, *more = shown
    text, answer = turn
    asked = Asked(
        image=first.image, size=first.size, more=tuple(more), question=text, tools=question.tools
    )
    return asked, Acted(text=answer, actions=(Answer(text=answer),))
