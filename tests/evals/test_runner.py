"""An evaluation asks each family in turn, about scenes that no other seed shares, and counts what comes back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.evals import runner
from foveal.evals.questions import FAMILIES
from foveal.evals.report import Scored
from foveal.evals.runner import drawn, evaluate
from foveal.evals.splits import size_of
from foveal.evals.tabletop import scene
from foveal.graphs.budgets import Spent
from foveal.graphs.result import Direct, Result

COUNT = len(FAMILIES)


class Oracle:
    """Answers what it is told to answer."""

    profile = Profile(name="oracle", weights=Path(), tools=("detect",))

    def __init__(
        self, answer: Callable[[str], str], direct: Callable[[str], str | None] = lambda text: None
    ) -> None:
        """`direct` is what it answers without looking, if it is asked so."""
        self._answer, self._direct = answer, direct

    def ask(self, image: Any, question: str) -> Result:
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
    monkeypatch.setattr(runner, "scene", lambda number, split, _: scene(number, split, (256, 256)))


def taken(source: Iterator[Any], count: int) -> list[Any]:
    return [next(source) for _ in range(count)]


def test_families_come_in_turn_and_scenes_once() -> None:
    rows = taken(drawn(3), 2 * len(FAMILIES))
    assert [question.family for _, _, question in rows] == [*FAMILIES, *FAMILIES]
    numbers = [number for number, _, _ in rows]
    assert len(set(numbers)) == len(numbers)
    assert 3 * runner.BLOCK <= min(numbers) <= max(numbers) < 4 * runner.BLOCK


def test_few_scenes_are_drawn_in_vain() -> None:
    rows = taken(drawn(1), 3 * len(FAMILIES))
    assert max(number for number, _, _ in rows) - runner.BLOCK < 1.7 * len(rows)


def test_a_seed_gives_the_same_questions_again_and_others_differ() -> None:
    first, again, other = ([q.text for _, _, q in taken(drawn(seed), 8)] for seed in (1, 1, 2))
    assert first == again != other


def test_an_oracle_is_always_right() -> None:
    truths = {question.text: question.answer for _, _, question in taken(drawn(0), COUNT)}
    report = evaluate(Oracle(lambda text: truths[text].upper()), COUNT)
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

    monkeypatch.setattr(runner, "scene", noted)
    rows = taken(drawn(0, "val"), 6)
    assert len(rows) == 6
    assert sizes == [size_of(number, "val") for number in range(len(sizes))]
    assert len(set(sizes)) > 1


def test_the_split_is_told_in_the_report() -> None:
    report = evaluate(Oracle(lambda text: ""), 2, split="val")
    assert report.setting.split == "val"


def test_answers_without_looking_are_judged_beside_when_all_are_there() -> None:
    truths = {question.text: question.answer for _, _, question in taken(drawn(0), 8)}
    right = evaluate(Oracle(lambda text: "?", lambda text: truths[text]), 8, gate=0.9)
    assert (right.right, right.setting.gate) == (0, 0.9)
    assert right.direct is not None
    assert (right.direct.n, right.direct.right) == (8, 8)
    some = iter(["yes", None] * 4)
    assert evaluate(Oracle(lambda text: "?", lambda text: next(some)), 8).direct is None
    assert evaluate(Oracle(lambda text: "?"), 8).direct is None


def test_silence_is_no_answer_and_not_right() -> None:
    report = evaluate(Oracle(lambda text: ""), 4)
    assert (report.right, report.no_answer, report.accuracy) == (0, 4, 0.0)


def test_the_majority_answers_each_family_with_its_most_frequent_truth() -> None:
    seen: list[Scored] = []
    report = evaluate(Oracle(lambda text: "yes"), 2 * COUNT, on_progress=seen.append)
    for family, share in report.families.items():
        truths = [row.truth for row in seen if row.family == family]
        assert share.majority == max(map(truths.count, truths)) / len(truths)
    weighted = sum(share.majority * share.n for share in report.families.values()) / report.n
    assert report.majority == pytest.approx(weighted)


@pytest.mark.parametrize(("limit", "seed"), [(0, 0), (-1, 0), (1, -1)])
def test_nothing_to_ask_is_refused(limit: int, seed: int) -> None:
    with pytest.raises(InputError, match="1 question or more"):
        evaluate(Oracle(lambda text: "?"), limit, seed)
