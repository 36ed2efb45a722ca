"""An evaluation asks each family in turn, about scenes that no other seed shares, and counts what comes back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.evals import deck
from foveal.evals.deck import BLOCK, Deck
from foveal.evals.kept import Kept
from foveal.evals.questions import FAMILIES, VISUAL
from foveal.evals.report import Report
from foveal.evals.runner import Listeners, Plan, evaluate
from foveal.evals.scored import Scored
from foveal.evals.splits import size_of
from foveal.evals.tabletop import scene
from foveal.graphs.budgets import Spent
from foveal.graphs.result import Direct, Result

COUNT = len(FAMILIES)
EMPTY = np.zeros((8, 8, 3), np.uint8)


class Oracle:
    """Answers what it is told to answer."""

    profile = Profile(name="oracle", weights=Path(), tools=("detect",))

    def __init__(
        self, answer: Callable[[str], str], direct: Callable[[str], str | None] = lambda text: None
    ) -> None:
        """`direct` is what it answers without looking, if it is asked so."""
        self._answer, self._direct = answer, direct
        self.verified: list[bool] = []

    def ask(self, image: Any, question: str, *, verify: bool = False) -> Result:
        self.verified.append(verify)
        assert image.shape[2] == 3
        return Result(
            answer=self._answer(question), confidence=None, hops=(), evidence=(), ended_by="answer",
            usage=Spent(hops=1, actions=2), seconds=0.0, trace=None, notes=(), run="r", image="i",
            direct=self._without(question),
        )  # fmt: skip

    def _without(self, question: str) -> Direct | None:
        said = self._direct(question)
        return None if said is None else Direct(answer=said, confidence=None, usage=Spent())


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes that are drawn quickly."""
    monkeypatch.setattr(deck, "scene", lambda number, split, _: scene(number, split, (256, 256)))


def taken(source: Iterator[Any], count: int) -> list[Any]:
    return [next(source) for _ in range(count)]


def test_families_come_in_turn_and_scenes_once() -> None:
    rows = taken(Deck(3), 2 * len(FAMILIES))
    assert [question.family for _, _, question in rows] == [*FAMILIES, *FAMILIES]
    numbers = [number for number, _, _ in rows]
    assert len(set(numbers)) == len(numbers)
    assert 3 * BLOCK <= min(numbers) <= max(numbers) < 4 * BLOCK


def test_few_scenes_are_drawn_in_vain() -> None:
    rows = taken(Deck(1), 3 * len(FAMILIES))
    assert max(number for number, _, _ in rows) - BLOCK < 1.7 * len(rows)


def test_a_seed_gives_the_same_questions_again_and_others_differ() -> None:
    first, again, other = ([q.text for _, _, q in taken(Deck(seed), 8)] for seed in (1, 1, 2))
    assert first == again != other


def test_an_oracle_is_always_right() -> None:
    truths = {question.text: question.answer for _, _, question in taken(Deck(0), COUNT)}
    report = evaluate(Oracle(lambda text: truths[text].upper()), Plan(COUNT))
    assert (report.n, report.right, report.accuracy) == (COUNT, COUNT, 1.0)
    assert report.interval[0] == pytest.approx(0.8241, abs=1e-4)
    assert set(report.families) == set(FAMILIES)
    assert (report.mean_hops, report.mean_actions, report.ended_by) == (1.0, 2.0, {"answer": COUNT})
    assert (report.setting.profile, report.setting.tools) == ("oracle", ("detect",))


def test_scenes_are_drawn_at_their_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def noted(number: int, split: Any, size: tuple[int, int]) -> Any:
        sizes.append(size)
        return scene(number, split, (256, 256))

    monkeypatch.setattr(deck, "scene", noted)
    rows = taken(Deck(0, "val"), 6)
    assert len(rows) == 6
    assert sizes == [size_of(number, "val") for number in range(len(sizes))]
    assert len(set(sizes)) > 1


def test_the_split_is_told_in_the_report() -> None:
    report = evaluate(Oracle(lambda text: ""), Plan(2, split="val"))
    assert report.setting.split == "val"


def test_answers_without_looking_are_judged_beside_when_all_are_there() -> None:
    truths = {question.text: question.answer for _, _, question in taken(Deck(0), 8)}
    right = evaluate(Oracle(lambda text: "?", lambda text: truths[text]), Plan(8, gate=0.9))
    assert (right.right, right.setting.gate) == (0, 0.9)
    assert right.direct is not None
    assert (right.direct.n, right.direct.right) == (8, 8)
    some = iter(["yes", None] * 4)
    assert evaluate(Oracle(lambda text: "?", lambda text: next(some)), Plan(8)).direct is None
    assert evaluate(Oracle(lambda text: "?"), Plan(8)).direct is None
    blind = evaluate(Oracle(lambda text: truths[text]), Plan(8, verify=True)).direct
    assert blind is not None  # nothing was seen, so there was nothing to ask again
    assert (blind.n, blind.right) == (8, 8)


def test_silence_is_no_answer_and_not_right() -> None:
    report = evaluate(Oracle(lambda text: ""), Plan(4))
    assert (report.right, report.no_answer, report.accuracy) == (0, 4, 0.0)


def test_the_majority_answers_each_family_with_its_most_frequent_truth() -> None:
    seen: list[Scored] = []
    heard = Listeners(on_progress=seen.append)
    report = evaluate(Oracle(lambda text: "yes"), Plan(2 * COUNT), listeners=heard)
    for family, share in report.families.items():
        truths = [row.truth for row in seen if row.family == family]
        assert share.majority == max(map(truths.count, truths)) / len(truths)
    weighted = sum(share.majority * share.n for share in report.families.values()) / report.n
    assert report.majority == pytest.approx(weighted)


@pytest.mark.parametrize(("limit", "seed"), [(0, 0), (-1, 0), (1, -1)])
def test_nothing_to_ask_is_refused(limit: int, seed: int) -> None:
    with pytest.raises(InputError, match="1 question or more"):
        Plan(limit, seed)


def test_only_known_families_can_be_asked_about() -> None:
    with pytest.raises(InputError, match="no family 'smell'; known: count"):
        Plan(1, families=("count", "smell"))
    with pytest.raises(InputError, match="no families"):
        Plan(1, families=())


def test_some_families_alone() -> None:
    report = evaluate(Oracle(lambda text: ""), Plan(4, families=VISUAL))
    assert list(report.families) == list(VISUAL)
    assert report.visual is not None
    assert (report.visual.n, report.setting.families) == (4, VISUAL)
    assert evaluate(Oracle(lambda text: ""), Plan(2, families=("count",))).visual is None


def test_the_best_constant_answer_is_counted_over_all_families() -> None:
    seen: list[Scored] = []
    heard = Listeners(on_progress=seen.append)
    report = evaluate(Oracle(lambda text: ""), Plan(COUNT), listeners=heard)
    truths = [row.truth for row in seen]
    assert report.constant == max(map(truths.count, truths)) / COUNT


def test_verifying_is_asked_for_with_each_question() -> None:
    for verify in (False, True):
        oracle = Oracle(lambda text: "2")
        evaluate(oracle, Plan(2, verify=verify))
        assert oracle.verified == [verify] * 2


def test_questions_go_on_where_they_ended() -> None:
    whole = Deck(2)
    rows: list[Scored] = []
    for _ in range(COUNT + 5):
        number, _, question = next(whole)
        rows.append(row(number, question.text, whole.waiting))
    for done in (1, 6, COUNT):
        rest = Deck(2, after=rows[:done])
        for expected in rows[done:]:
            number, _, question = next(rest)
            assert row(number, question.text, rest.waiting) == expected


def row(scene: int, question: str, waiting: tuple[int, ...]) -> Scored:
    return Scored(
        scene=scene, family="f", question=question, truth="", verdict="wrong", waiting=waiting,
        result=Oracle(lambda text: "").ask(EMPTY, question),
    )  # fmt: skip


def test_an_evaluation_that_was_ended_goes_on_to_the_same_report(tmp_path: Path) -> None:
    plan = Plan(10, seed=4)
    undisturbed = evaluate(Oracle(answers), plan)
    oracle = Oracle(answers)

    def ended(scored: Scored) -> None:
        if len(oracle.verified) == 6:
            raise KeyboardInterrupt

    with Kept(tmp_path, {}) as kept, pytest.raises(KeyboardInterrupt):
        evaluate(oracle, plan, kept, Listeners(on_progress=ended))
    with Kept(tmp_path, {}) as kept:
        assert len(kept.rows) == 6
        report = evaluate(again := Oracle(answers), plan, kept)
    assert len(again.verified) == 4
    assert timeless(report) == timeless(undisturbed)
    with Kept(tmp_path, {}) as kept:  # fewer, of what is there
        fewer = evaluate(Oracle(answers), Plan(3, seed=4), kept)
    assert timeless(fewer) == timeless(evaluate(Oracle(answers), Plan(3, seed=4)))


def answers(text: str) -> str:
    return ("yes", "2", "", "red")[len(text) % 4]


def timeless(report: Report) -> dict[str, Any]:
    return report.model_dump(exclude={"seconds", "time"})
