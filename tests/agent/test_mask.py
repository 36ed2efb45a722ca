"""Whatever a model that follows the mask says, it is well-formed and uses only what it may."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agent.actions import (
    GRID,
    MAX_OBJECTS,
    PERCEPTIONS,
    Answer,
    Object,
    PerceptionKind,
    targets_of,
)
from foveal.agent.grammar import FORMS, OBJECT_TOKENS, PERCEPTION_TOKENS, X_TOKENS, Y_TOKENS, parse
from foveal.agent.mask import MAX_PHRASE, Allowed, Vocabulary, following

END = "<end>"
ALL = range(1, MAX_OBJECTS + 1)
ENDS = {form.end for form in FORMS}
Turn = list[str | None]

TOOLS = st.lists(st.sampled_from(PERCEPTIONS), unique=True)
OBJECTS = st.sets(st.integers(1, MAX_OBJECTS))


def may(
    *turn: str | None, tools: tuple[PerceptionKind, ...] = PERCEPTIONS, objects: object = ALL
) -> Allowed:
    return following(turn, tools, objects, END)  # type: ignore[arg-type]


def walk(tools: list[PerceptionKind], objects: set[int], random: Random, steps: int) -> Turn:
    """A turn that follows the mask at random, and after some steps ends as soon as it may."""
    turn: Turn = []
    while True:
        allowed = following(turn, tools, objects, END)
        choices = [*sorted(allowed.tokens), *([None] * 3 if allowed.text else [])]
        assert choices, f"nothing may follow {turn}"
        if len(turn) >= steps:
            assert len(turn) < steps + 8, "the way out is short from anywhere"
            choices = (
                [c for c in choices if c == END] or [c for c in choices if c in ENDS] or choices
            )
        token = random.choice(choices)
        if token == END:
            return turn
        turn.append(token)


@settings(max_examples=200)
@given(TOOLS, OBJECTS, st.randoms(use_true_random=False), st.integers(0, 60))
def test_every_walk_ends_in_a_turn_that_parses_and_uses_only_what_it_may(
    tools: list[PerceptionKind], objects: set[int], random: Random, steps: int
) -> None:
    turn = walk(tools, objects, random, steps)
    assert turn
    for action in parse("".join("word " if token is None else token for token in turn)):
        if not isinstance(action, Answer):
            assert action.kind in tools
            named = {target.index for target in targets_of(action) if isinstance(target, Object)}
            assert named <= objects


@given(TOOLS, OBJECTS, st.randoms(use_true_random=False))
def test_corners_come_in_order(
    tools: list[PerceptionKind], objects: set[int], random: Random
) -> None:
    turn = walk(tools, objects, random, 60)
    cells = [token for token in turn if token in X_TOKENS or token in Y_TOKENS]
    assert len(cells) % 4 == 0
    for at in range(0, len(cells), 4):
        left, right = (X_TOKENS.index(cells[at + i]) for i in (0, 2))
        top, bottom = (Y_TOKENS.index(cells[at + i]) for i in (1, 3))
        assert left <= right
        assert top <= bottom


@given(OBJECTS, st.randoms(use_true_random=False), st.integers(0, 30))
def test_without_tools_there_is_nothing_but_words(
    objects: set[int], random: Random, steps: int
) -> None:
    assert set(walk([], objects, random, steps)) == {None}


def test_a_turn_begins_with_words_or_an_action_and_cannot_be_empty() -> None:
    begin = may()
    assert begin.text
    assert begin.tokens == {form.start for form in FORMS}
    assert may(None).tokens == begin.tokens | {END}


def test_after_an_action_come_actions_or_the_end_but_no_words() -> None:
    after = may("<|read_start|>", "<|read_end|>")
    assert not after.text
    assert after.tokens == {END} | {form.start for form in FORMS}


def test_what_refers_to_objects_needs_some() -> None:
    assert "<|look_start|>" not in may(objects=()).tokens
    assert may("<|segment_start|>", objects=()).tokens == set(X_TOKENS)
    assert may("<|look_start|>", objects=(3, 5)).tokens == {"<|obj_3|>", "<|obj_5|>"}


def test_tools_may_be_given_once() -> None:
    kinds: list[PerceptionKind] = ["look", "read"]
    assert following((), iter(kinds), (), END) == following((), kinds, (), END)


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.fixed], ids=lambda form: form.fixed
)
def test_a_reencoding_is_forced_to_its_end(form: object) -> None:
    start, fixed, end = form.start, form.fixed, form.end  # type: ignore[attr-defined]
    assert may(start) == Allowed(frozenset({fixed}))
    assert may(start, fixed) == Allowed(frozenset({end}))


def test_right_and_bottom_are_never_before_left_and_top() -> None:
    turn = ["<|region_token_start|>", "<|x_3|>", "<|y_6|>"]
    assert may(*turn[:1]).tokens == set(X_TOKENS)
    assert may(*turn[:2]).tokens == set(Y_TOKENS)
    assert may(*turn).tokens == set(X_TOKENS[3:])
    assert may(*turn, "<|x_3|>").tokens == set(Y_TOKENS[6:])
    assert may(*turn, "<|x_3|>", "<|y_7|>") == Allowed(frozenset({"<|region_token_end|>"}))


def test_a_phrase_has_words_and_ends_in_time() -> None:
    start = "<|detect_start|>"
    assert may(start) == Allowed(frozenset(), text=True)
    assert may(start, None) == Allowed(frozenset({"<|detect_end|>"}), text=True)
    assert may(start, *[None] * (MAX_PHRASE - 1)).text
    assert may(start, *[None] * MAX_PHRASE) == Allowed(frozenset({"<|detect_end|>"}))


def test_depth_takes_each_object_once_and_eight_targets_at_most() -> None:
    start, end = "<|depth_start|>", "<|depth_end|>"
    assert may(start).tokens == {end, *X_TOKENS, *OBJECT_TOKENS}
    assert "<|obj_1|>" not in may(start, "<|obj_1|>").tokens
    assert may(start, *OBJECT_TOKENS[:8]) == Allowed(frozenset({end}))
    region = ["<|x_0|>", "<|y_0|>", "<|x_1|>", "<|y_1|>"]
    assert may(start, *OBJECT_TOKENS[:7], *region) == Allowed(frozenset({end}))
    assert end not in may(start, *region[:2]).tokens


def vocabulary(tokens: tuple[str, ...] = PERCEPTION_TOKENS) -> Vocabulary:
    """Ids 0-9 are words except 3, which is special; 10 ends a turn; then come perception tokens."""
    return Vocabulary({t: 11 + i for i, t in enumerate(tokens)}, 100, [3, *range(90, 100)], end=10)


def test_ids_of_words_are_neither_perception_nor_special() -> None:
    made = vocabulary()
    assert set(range(11)) - {3, 10} <= set(made.text.tolist())
    assert not set(made.text.tolist()) & {3, 10, *range(90, 100), *made.ids.values()}
    assert made.spelling(5) is None
    assert made.spelling(made.ids["<|x_2|>"]) == "<|x_2|>"


def test_allowed_ids_are_those_of_the_mask() -> None:
    made = vocabulary()
    assert made.allowed([], (), ()) == ([], True)
    assert made.allowed([5], (), ()) == ([10], True)
    assert made.allowed([5], ("read",), ()) == ([10, made.ids["<|read_start|>"]], True)
    looking = [made.ids["<|look_start|>"]]
    assert made.allowed(looking, ("look",), {4: "an object"}) == ([made.ids["<|obj_4|>"]], False)


def test_a_checkpoint_of_the_paper_offers_only_its_own_tokens() -> None:
    paper = ("<|region_token_start|>", "<|region_token_end|>", *X_TOKENS, *Y_TOKENS,
             "<|clip_action_start|>", "<|clip_action|>", "<|clip_action_end|>")  # fmt: skip
    made = vocabulary(paper)
    starts, text = made.allowed([], PERCEPTIONS, ALL)
    assert [made.spelling(i) for i in starts] == ["<|region_token_start|>", "<|clip_action_start|>"]
    assert text


def test_the_order_of_allowed_ids_is_the_same_in_every_process() -> None:
    ids, _ = vocabulary().allowed([5], PERCEPTIONS, ALL)
    assert all(a < b for a, b in pairwise(ids))
    assert GRID == len(X_TOKENS) == len(Y_TOKENS)
