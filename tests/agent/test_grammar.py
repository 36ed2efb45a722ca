"""How actions are spelled: what is well-formed, what is told to the model about the rest, and no surprises."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foveal.agent.actions import (
    GRID,
    MAX_OBJECTS,
    MAX_TARGETS,
    Action,
    Answer,
    Area,
    Depth,
    Detect,
    Encoder,
    Look,
    Object,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.coordinates import Frame
from foveal.agent.errors import ActionError
from foveal.agent.grammar import (
    ACTION_TOKENS,
    FORMS,
    PERCEPTION_TOKENS,
    parse,
    render,
)


def spelled(short: str) -> str:
    """The notation of the tables below: x1 y2 o3 are cells and objects, [read read] is start and end."""
    names = {"[region": "region_token_start", "region]": "region_token_end"}
    out = []
    for word in short.split():
        if word in names:
            out.append(f"<|{names[word]}|>")
        elif word[0] in "xyo" and word[1:].isdigit():
            out.append(f"<|{'obj' if word[0] == 'o' else word[0]}_{word[1:]}|>")
        elif word.startswith("["):
            out.append(f"<|{word[1:]}_start|>")
        elif word.endswith("]"):
            out.append(f"<|{word[:-1]}_end|>")
        elif word.startswith("!"):
            out.append(f"<|{word[1:]}|>")
        else:
            out.append(word.replace("_", " "))
    return "".join(out)


def region(x0: int, y0: int, x1: int, y1: int) -> Region:
    return Region(x0=x0, y0=y0, x1=x1, y1=y1)


A, B, ONE, TWO = region(2, 1, 4, 3), region(0, 0, 0, 0), Object(index=1), Object(index=2)

GOOD: list[tuple[str, list[Action]]] = [
    ("", [Answer(text="")]),
    ("_two_red_cubes_", [Answer(text="two red cubes")]),
    ("a<|b|>c", [Answer(text="a<|b|>c")]),  # not one of ours
    ("[region x2 y1 x4 y3 region]", [Look(target=A)]),
    # From the paper's own parser: any order, any number, the extremes count.
    ("[region x4 y3 x2 y1 region]", [Look(target=A)]),
    ("[region y3 x4 y1 x2 region]", [Look(target=A)]),
    ("[region x2 x4 y1 y3 region]", [Look(target=A)]),
    ("[region x2 x2 x2 y1 y1 region]", [Look(target=region(2, 1, 2, 1))]),
    ("[region x0 x1 x2 x3 x4 x5 x6 x7 y3 y4 region]", [Look(target=region(0, 3, 7, 4))]),
    ("[region x1 y2 region]", [Look(target=region(1, 2, 1, 2))]),
    (
        "Here: [region x2 y1 x4 y3 region] and_ [region x0 y0 region] ok",
        [Look(target=A), Look(target=B)],
    ),
    ("[region x2 y1 x4 y3 region] _Now_answer_the_question._No.", [Look(target=A)]),
    # What no reading can change is repaired: blanks between tokens, the one token that must follow.
    ("[region _ x2 y1 _ x4 y3 region]", [Look(target=A)]),
    ("[clip_action !clip_action clip_action]", [Reencode(encoder="clip")]),
    ("[clip_action _ !clip_action _ clip_action]", [Reencode(encoder="clip")]),
    ("[detection_action detection_action]", [Reencode(encoder="detection")]),
    ("[seg_action !seg_action seg_action]", [Reencode(encoder="seg")]),
    ("[look o16 look]", [Look(target=Object(index=16))]),
    ("[detect _red_cube_ detect]", [Detect(phrase="red cube")]),
    ("[detect red_cube_._sign detect]", [Detect(phrase="red cube . sign")]),
    ("[segment o1 segment]", [Segment(target=ONE)]),
    ("[segment x4 y3 x2 y1 segment]", [Segment(target=A)]),
    ("[read read]", [Read()]),
    ("[read o2 read]", [Read(target=TWO)]),
    ("[read x0 y0 read]", [Read(target=B)]),
    ("[depth depth]", [Depth()]),
    ("[depth o2 o1 depth]", [Depth(targets=(TWO, ONE))]),
    ("[depth x2 y1 x4 y3 x0 y0 x0 y0 depth]", [Depth(targets=(A, B))]),
    ("[depth x2 y1 x4 y3 o1 x0 y0 x0 y0 o2 depth]", [Depth(targets=(A, ONE, B, TWO))]),
    ("[detect sign detect] [read read]", [Detect(phrase="sign"), Read()]),
]

BAD: list[tuple[str, str]] = [
    # never closed, nested, closed by another
    ("[region x1 y1", "<|region_token_start|> is never closed; expected <|region_token_end|>"),
    ("[region x1 y1 x2 y2 region] [region x3", "<|region_token_start|> is never closed"),
    ("[detect red", "expected <|detect_end|>"),
    ("[detect", "expected <|detect_end|>"),
    ("[region [region x1 y2 region]", "<|region_token_start|> is never closed"),
    ("[detect [read read] detect]", "<|detect_start|> is never closed"),
    ("[clip_action [seg_action", "<|clip_action_start|> is never closed"),
    ("[look o1 read]", "<|look_start|> is never closed; expected <|look_end|>"),
    # outside an action
    ("x1 y1", "<|x_1|> stands outside an action; it belongs after <|region_token_start|>"),
    ("It_is o3", "<|obj_3|> stands outside an action; it belongs after <|look_start|>"),
    (
        "region]",
        "<|region_token_end|> stands outside an action; it belongs after <|region_token_start|>",
    ),
    ("[read read] read]", "<|read_end|> stands outside an action; it belongs after <|read_start|>"),
    ("!clip_action clip_action]", "it belongs after <|clip_action_start|>"),
    ("[detect red detect] y7", "<|y_7|> stands outside"),
    # empty
    ("[region region]", "takes one region such as <|x_1|><|y_1|><|x_3|><|y_2|>, got 0"),
    ("[look look]", "<|look_start|> takes one object such as <|obj_1|>, got 0"),
    ("[segment segment]", "or object such as <|obj_1|>, got 0"),
    ("[detect detect]", "detect takes a phrase such as 'red cube', got ''"),
    ("[detect __ detect]", "detect takes a phrase"),
    # not a region
    ("[region x1 x2 region]", "a region needs x and y cells, got <|x_1|><|x_2|>"),
    ("[depth y1 y2 y3 y4 depth]", "a region needs x and y cells"),
    ("[region x8 y2 region]", "<|region_token_start|> takes one region such as"),
    ("[region x_1_y_2 region]", "not 'x 1 y 2'"),
    ("[depth x1 y1 x2 depth]", "depth takes four cell tokens per region, got 3"),
    ("[depth x1 y1 o1 x2 y2 depth]", "depth takes four cell tokens per region, got 2"),
    # the wrong kind of target
    ("[region o1 region]", "<|region_token_start|> takes one region"),
    ("[look x1 y1 x2 y2 look]", "<|look_start|> takes one object such as <|obj_1|>, not '<|x_1|>'"),
    ("[look it look]", "not 'it'"),
    ("[read the_sign read]", "<|read_start|> takes 0 to 1 region"),
    ("[look o0 look]", "not '<|obj_0|>'"),
    ("[look o17 look]", "not '<|obj_17|>'"),
    ("[look o" + "9" * 5000 + " look]", "not '<|obj_999"),
    ("[look <|obj_\u0663|> look]", "takes one object"),  # a digit, but not ours
    ("[segment read] segment]", "not '<|read_end|>'"),
    # too many
    ("[look o1 o2 look]", "<|look_start|> takes one object such as <|obj_1|>, got 2"),
    ("[read o1 o2 read]", "<|read_start|> takes 0 to 1 region"),
    ("[segment o1 x1 y1 x2 y2 segment]", "got 2"),
    ("[segment x1 y1 o1 x2 y2 segment]", "got 3"),
    ("[depth " + "o1 " * 9 + "depth]", "<|depth_start|> takes 0 to 8 region"),
    # re-encoding takes nothing but its own token
    (
        "[clip_action !seg_action clip_action]",
        "must be followed by <|clip_action|> and nothing else",
    ),
    ("[clip_action !clip_action !clip_action clip_action]", "nothing else"),
    ("[seg_action please seg_action]", "<|seg_action_start|> must be followed by <|seg_action|>"),
    # phrases are words
    ("[detect red o1 detect]", "detect takes a phrase such as 'red cube', got 'red<|obj_1|>'"),
    ("[detect x1 detect]", "detect with '<|x_1|>': a phrase is plain words"),
    ("[detect !im_end detect]", "a phrase is plain words, without '<|'"),
    ("[detect " + "a" * 201 + " detect]", "should have at most 200 characters"),
]


@pytest.mark.parametrize(("short", "actions"), GOOD)
def test_well_formed(short: str, actions: list[Action]) -> None:
    assert parse(spelled(short)) == tuple(actions)


@pytest.mark.parametrize(("short", "message"), BAD, ids=[short[:50] for short, _ in BAD])
def test_malformed(short: str, message: str) -> None:
    with pytest.raises(ActionError) as caught:
        parse(spelled(short))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250, "the model reads this: it must stay short"


PIECES = st.one_of(st.sampled_from(PERCEPTION_TOKENS), st.text(st.characters(), max_size=5))


@given(st.lists(PIECES, max_size=12).map("".join))
@example("\ud800")
@example("<|detect_start|>\ud800<|detect_end|>")
@example("<|look_start|><|obj_" + "1" * 5000 + "|><|look_end|>")
def test_any_text_is_actions_or_an_action_error(text: str) -> None:
    try:
        actions = parse(text)
    except ActionError:
        return
    assert [a.kind for a in actions] == ["answer"] or not any(
        isinstance(a, Answer) for a in actions
    )


CELL = st.integers(0, GRID - 1)
REGIONS = st.tuples(CELL, CELL, CELL, CELL).map(
    lambda c: region(min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)
OBJECTS = st.integers(1, MAX_OBJECTS).map(lambda index: Object(index=index))
TARGETS = st.one_of(REGIONS, OBJECTS)
WORDS = st.text(max_size=200).filter(lambda text: "<|" not in text)
ENCODERS: list[Encoder] = ["clip", "detection", "seg"]
PERCEPTIONS = st.one_of(
    TARGETS.map(lambda target: Look(target=target)),
    st.sampled_from(ENCODERS).map(lambda encoder: Reencode(encoder=encoder)),
    WORDS.filter(str.strip).map(lambda phrase: Detect(phrase=phrase)),
    TARGETS.map(lambda target: Segment(target=target)),
    st.lists(TARGETS, max_size=MAX_TARGETS).map(lambda targets: Depth(targets=tuple(targets))),
    st.one_of(st.none(), TARGETS).map(lambda target: Read(target=target)),
)


@given(st.one_of(PERCEPTIONS, WORDS.map(lambda text: Answer(text=text.strip()))))
def test_what_is_rendered_is_parsed_back(action: Action) -> None:
    assert parse(render(action)) == (action,)


@given(st.lists(PERCEPTIONS, min_size=1, max_size=4), WORDS)
def test_a_turn_keeps_its_actions_in_order(actions: list[Action], between: str) -> None:
    assert parse(between.join(["", *map(render, actions), ""])) == tuple(actions)


@pytest.mark.parametrize("phrase", ["", "  ", "a" * 201, "<|detect_end|>", "a<|im_end|>b"])
def test_a_phrase_that_could_not_be_written_is_no_phrase(phrase: str) -> None:
    with pytest.raises(ValueError, match="phrase"):
        Detect(phrase=phrase)


def test_a_region_has_its_corners_in_order() -> None:
    with pytest.raises(ValueError, match="out of order"):
        region(3, 0, 2, 0)


def test_every_token_is_spelled_once() -> None:
    assert len(set(PERCEPTION_TOKENS)) == len(PERCEPTION_TOKENS)
    assert not any(a in b for a in PERCEPTION_TOKENS for b in PERCEPTION_TOKENS if a != b)
    assert set(ACTION_TOKENS) == {t for f in FORMS for t in (f.start, f.fixed, f.end) if t}


@pytest.mark.parametrize("key", [lambda f: f.start, lambda f: f.end], ids=["start", "end"])
def test_an_action_is_known_by_its_start_and_by_its_end(key: Callable[[object], str]) -> None:
    assert len({key(form) for form in FORMS}) == len(FORMS)


def test_an_area_is_shown_as_fractions_and_is_nothing_the_vocabulary_can_say() -> None:
    look = render(Look(target=Area(x0=0.125, y0=0, x1=0.5, y1=1)))
    assert look == "<|look_start|>[0.125, 0.000, 0.500, 1.000]<|look_end|>"
    with pytest.raises(ActionError, match="takes one object"):
        parse(look)


def place(numbers: Sequence[float]) -> Region | Area:
    return Frame("thousand", (10, 10), (10, 10)).target(numbers)


LEFT, RIGHT = Area(x0=0, y0=0, x1=0.5, y1=1), Area(x0=0.5, y0=0, x1=1, y1=1)


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("<|look_start|>[0, 0, 500, 1000]<|look_end|>", [Look(target=LEFT)]),
        ("<|look_start|> [0,0,500,1000]\n<|look_end|>", [Look(target=LEFT)]),
        ("<|look_start|>[500, 1000, 0, 0.0]<|look_end|>", [Look(target=LEFT)]),  # corners swapped
        ("<|look_start|>[[0, 0, 500, 1000]]<|look_end|>", [Look(target=LEFT)]),
        ("Hm. <|read_start|>[0, 0, 500, 1000]<|read_end|>", [Read(target=LEFT)]),
        ("<|segment_start|><|obj_2|><|segment_end|>", [Segment(target=TWO)]),
        (
            "<|depth_start|>[0, 0, 500, 1000], <|obj_1|>[500, 0, 1000, 1000]<|depth_end|>",
            [Depth(targets=(LEFT, ONE, RIGHT))],
        ),
        (
            "<|depth_start|>[[0, 0, 500, 1000], [500, 0, 1000, 1000]]<|depth_end|>",
            [Depth(targets=(LEFT, RIGHT))],
        ),
        ("<|detect_start|>[1, 2]<|detect_end|>", [Detect(phrase="[1, 2]")]),
        ("[0, 0, 500, 1000]", [Answer(text="[0, 0, 500, 1000]")]),
    ],
)
def test_boxes_in_digits_are_read_where_somebody_says_what_they_mean(
    text: str, actions: list[Action]
) -> None:
    assert parse(text, place) == tuple(actions)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("", "takes one box .x0, y0, x1, y1. or object such as <.obj_1.>, got 0"),
        ("[]", "'\\[\\]' is no box; write"),
        ("[a, b, c, d]", "is no box"),
        ("[1, 2, 3]", "four numbers, not 3"),
        ("[1, 2, 3, nan]", "not every one is a number"),
        ("[0, 0, 500, 1000][0, 0, 500, 1000]", "takes one box .*, got 2"),
        ("[0, 0, 500, 1000", "takes one box .*, not "),
        ("the cube", "takes one box .*, not 'the cube'"),
        ("[0, 0, 9000, 1000]", "outside the image"),
    ],
)
def test_what_is_no_box_is_told(inside: str, reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        parse(f"<|look_start|>{inside}<|look_end|>", place)


@given(st.text(alphabet="[]0123456789,. -naif<|>", max_size=40))
@example("[1e999, 0, 0, 0]")
@example("[" * 40)
def test_no_box_surprises(inside: str) -> None:
    try:
        (action,) = parse(f"<|look_start|>{inside}<|look_end|>", place)
    except ActionError:
        return
    assert isinstance(action, Look)
