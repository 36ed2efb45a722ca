"""Questions from outside are answered by reading or not at all, however they are worded."""

from collections import Counter

import numpy as np
import pytest

from foveal.agent.observations import Recognised
from foveal.agent.transcript import Acted, Observed
from foveal.evals.odd import odd_questions
from foveal.training.corpus import READING, TOOLS, dialogue
from foveal.training.observing import World
from foveal.training.outside import found_text, outside


def test_the_same_seed_asks_the_same() -> None:
    def drawn(seed: int) -> list[object]:
        rng = np.random.default_rng(seed)
        return [outside(rng) for _ in range(20)]

    assert drawn(3) == drawn(3) != drawn(4)


def test_open_questions_hardly_repeat_and_are_not_those_of_the_evaluation() -> None:
    rng = np.random.default_rng(5)
    drawn = [
        question for question, _ in (outside(rng) for _ in range(3000)) if question.family == "open"
    ]
    asked = {question.text for question in drawn}
    assert len(drawn) > 800
    assert len(asked) > 0.8 * len(drawn)
    assert not asked & set(odd_questions())
    assert all("{" not in text for text in asked)


def test_outside_is_answered_by_reading_or_not_at_all() -> None:
    rng = np.random.default_rng(1)
    kinds: Counter[str] = Counter()
    for _ in range(300):
        question, text = outside(rng)
        kinds[question.family] += 1
        known = question.family == "reading"
        assert question.answer == ((text or "no text") if known else "unknown")
        assert len(question.phrases) == (question.family == "unheard")
    assert kinds.keys() == {"reading", "unheard", "open"}


@pytest.mark.parametrize("seed", range(40))
def test_reading_answers_with_what_was_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    question, text = outside(rng)
    if question.family not in READING:
        return
    run = dialogue(World((), (640, 480), rng, text=text), question, TOOLS)
    observed, answered = run.items[1], run.items[-1]
    assert isinstance(observed, Observed)
    assert isinstance(observed.observation, Recognised)
    assert isinstance(answered, Acted)
    assert answered.text == (
        " ".join(line.text for line in observed.observation.lines) or "no text"
    )


def test_found_text_is_at_most_nine_words_and_sometimes_nothing() -> None:
    rng = np.random.default_rng(2)
    texts = [found_text(rng) for _ in range(400)]
    assert "" in texts
    assert max(len(text.split()) for text in texts) == 9
    assert all(text == " ".join(text.split()) for text in texts)
