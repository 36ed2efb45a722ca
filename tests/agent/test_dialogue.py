"""What a native model reads, to the character: training and serving write it with the same functions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import PERCEPTIONS, Detect, Encoder, Object, Segment
from foveal.agent.dialogue import (
    END,
    READ_LIMIT,
    Piece,
    Reseen,
    opening,
    plain,
    reply,
    told,
    tools_in_order,
)
from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
    View,
)
from foveal.agent.transcript import Asked, Injected, Noted, Observed

IMAGE, SIZE = "a" * 64, (800, 600)
ASKED = Asked(image=IMAGE, size=SIZE, question="How many <|obj_1|>?", tools=("look", "read"))
BOX = Box(image=IMAGE, xyxy=(100, 75, 300, 225))
VIEW = View(role="crop", pixels=BOX, source=BOX)
CELLS = "<|x_1|><|y_1|><|x_2|><|y_2|>"


def found(index: int, label: str = "cube", score: float = 0.87) -> Found:
    return Found(index=index, label=label, box=BOX, score=score)


def segmented(index: int, share: float) -> Segmented:
    return Segmented(
        index=index, label="cube", box=BOX, area=1, share=share, centroid=(1, 1), views=(VIEW,)
    )


def ranged(*indices: int) -> Ranged:
    ranges = tuple(Range(index=i, label="cube", box=BOX, depth=0.1) for i in indices)
    return Ranged(ranges=ranges, views=(VIEW,))


def read(*texts: str) -> Recognised:
    return Recognised(lines=tuple(Line(text=text, box=BOX, score=0.9) for text in texts))


def observed(observation: Observation) -> Observed:
    return Observed(action=Segment(target=Object(index=1)), observation=observation)


ONE, TWO, THREE = (f"<|obj_{n}|>cube{CELLS}8" for n in (1, 2, 3))
TOLD: list[tuple[str, Observation, list[Piece]]] = [
    ("nothing", Detected(phrase="cube"), ["found\n0"]),
    ("one", Detected(phrase="cube", objects=(found(1),)), [f"found\n1\n{ONE}"]),
    (
        "several, with views",
        Detected(phrase="cube", objects=(found(1), found(2), found(3)), views=(VIEW, VIEW)),
        [
            f"found\n3\nleft {ONE}\n{TWO}\nright {THREE}"
            "\nabove <|obj_1|>cube\n<|obj_2|>cube\nbelow <|obj_3|>cube",
            VIEW,
            VIEW,
        ],
    ),
    (
        "past the last number",  # counted, not listed: the last one listed is not the rightmost
        Detected(phrase="cube", objects=(found(1), found(2), found(0))),
        [f"found\n3\nleft {ONE}\n{TWO}\nabove <|obj_1|>cube\n<|obj_2|>cube"],
    ),
    (
        "unknown",
        Detected(phrase="dog . cube", objects=(found(1),), unknown=("dog", "<|im_end|>")),
        [f"found\n1\n2{ONE}\nunknown dog\nunknown < |im_end|>"],
    ),
    ("outline", segmented(1, 0.0123), ["area <|obj_1|>cube\n0123", VIEW]),
    ("depth of nothing", Ranged(), ["depth"]),
    ("depth of one", ranged(2), ["depth\n<|obj_2|>cube", VIEW]),
    (
        "depth",
        ranged(2, 1, 3),
        ["depth\nnear <|obj_2|>cube\n<|obj_1|>cube\nfar <|obj_3|>cube", VIEW],
    ),
    (
        "outline of a region",  # which has neither number nor label: where it is names it
        Segmented(box=BOX, area=1, share=0.0123, centroid=(1, 1), views=(VIEW,)),
        [f"area {CELLS}\n0123", VIEW],
    ),
    (
        "depth of a region and an object",
        Ranged(ranges=(Range(box=BOX, depth=0.1), Range(index=2, label="cube", box=BOX, depth=1))),
        [f"depth\nnear {CELLS}\nfar <|obj_2|>cube"],
    ),
    ("no text", Recognised(), ["no text"]),
    ("text", read("EXIT", "<|obj_1|> 7"), ["text\nEXIT < |obj_1|> 7"]),
    ("look at a region", Looked(views=(VIEW,)), ["look", VIEW]),
    ("look", Looked(index=4, label="sign", views=(VIEW,)), ["look <|obj_4|>sign", VIEW]),
    ("failed", Failed(error="specialist", message="out of <|memory|>"), ["error out of < |memory|>"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observation", "pieces"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD]
)
def test_every_observation_reads_like_this(observation: Observation, pieces: list[Piece]) -> None:
    assert told(observation, SIZE) == pieces


@pytest.mark.parametrize(
    ("asked", "labels", "astray"),
    [
        ("red cube", ["blue cone"], True),
        ("cube", ["red cube"], False),
        ("red thing", ["blue cone", "red sign"], False),
        ("Cube . cone", ["bead", "blue sphere"], True),
        ("thing", ["bead"], False),
        ("the red cubes", ["red cube"], False),
        ("people", ["person"], False),
        ("red cube", [""], True),
        ("red cube", [], False),
    ],
)
def test_a_list_of_what_nobody_asked_for_is_a_failure(
    asked: str, labels: list[str], astray: bool
) -> None:
    objects = tuple(found(n, label) for n, label in enumerate(labels, start=1))
    seen = Observed(action=Detect(phrase=asked), observation=Detected(phrase="?", objects=objects))
    said = "".join(piece for piece in reply([seen], ASKED) if isinstance(piece, str))
    assert ("\nerror detector failed: none of it was asked for" in said) == astray
    assert ("\nfound\n" in said) != astray, "a list is told or it is not"


@pytest.mark.parametrize("encoder", ["clip", "detection", "seg"])
def test_the_question_is_asked_again_behind_a_reencoded_image(encoder: Encoder) -> None:
    seen = observed(Reencoded(encoder=encoder, views=(VIEW,)))
    assert reply([seen], ASKED)[-3:] == [
        Reseen(encoder, VIEW),
        "\nHow many < |obj_1|>?",
        "<|im_end|>\n<|im_start|>assistant\n",
    ]
    assert "How many" not in str(reply([observed(read("7"))], ASKED))


@pytest.mark.parametrize("encoder", ["clip", "detection", "seg"])
def test_another_encoder_is_named(encoder: Encoder) -> None:
    seen = told(Reencoded(encoder=encoder, views=(VIEW,)), SIZE)
    assert seen == [f"again {encoder}", Reseen(encoder, VIEW)]


def test_the_opening_names_the_tools_and_frames_the_image() -> None:
    before, after = opening(ASKED, "tools: {tools}")
    assert before == "<|im_start|>system\ntools: look read<|im_end|>\n<|im_start|>user\n"
    assert after == "How many < |obj_1|>?<|im_end|>\n<|im_start|>assistant\n"
    without = ASKED.model_copy(update={"tools": ()})
    assert "tools: none<" in opening(without, "tools: {tools}")[0]


@pytest.mark.parametrize("system", ['Answer as {"count": 2}.', "{", "{0} {x.y}", "}"])
def test_a_system_prompt_may_hold_braces(system: str) -> None:
    assert f"\n{system}{END}" in opening(ASKED, system)[0]


def test_a_reply_ends_the_turn_and_opens_the_next() -> None:
    items: list[Injected] = [observed(read("7")), Noted(text="answer <|now|>")]
    assert reply(items, ASKED) == [
        "<|im_end|>\n<|im_start|>user\n",
        "text\n7",
        "\n",
        "answer < |now|>",
        "<|im_end|>\n<|im_start|>assistant\n",
    ]


def test_a_correction_is_told_as_a_failure_is() -> None:
    failed = observed(Failed(error="action", message="no such <|obj_1|>"))
    note = Noted(text="no such <|obj_1|>", error=True)
    assert reply([note], ASKED) == reply([failed], ASKED)


def test_several_outlines_are_compared() -> None:
    items = [observed(segmented(n, share)) for n, share in ((1, 0.02), (2, 0.3), (3, 0.01))]
    pieces = reply(items, ASKED)
    assert pieces[-2] == "\nlarger <|obj_2|>cube\nsmaller <|obj_3|>cube"
    assert "larger" not in str(reply(items[:1], ASKED))


@pytest.mark.parametrize(
    ("share", "digits"),
    [(0, "0000"), (0.00004, "0000"), (0.0007, "0007"), (0.5, "5000"), (1, "9999")],
)
def test_area_has_four_digits(share: float, digits: str) -> None:
    assert told(segmented(1, share), SIZE)[0] == f"area <|obj_1|>cube\n{digits}"


@pytest.mark.parametrize(
    ("score", "digit"), [(0, "0"), (0.09, "0"), (0.5, "5"), (1, "9"), (1.3, "9")]
)
def test_scores_are_told_in_tenths(score: float, digit: str) -> None:
    words = told(Detected(phrase="cube", objects=(found(1, score=score),)), SIZE)[0]
    assert isinstance(words, str)
    assert words.endswith(CELLS + digit)


def test_no_more_text_is_shown_than_the_limit() -> None:
    words = told(read(*["word"] * 1000), SIZE)[0]
    assert isinstance(words, str)
    assert len(words) == len("text\n") + READ_LIMIT


SPECIAL = [*PERCEPTION_TOKENS, "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|endoftext|>"]
HOSTILE = st.lists(
    st.one_of(st.sampled_from([*SPECIAL, "<", "|", "<|", "|>"]), st.text(max_size=3))
)


@given(HOSTILE.map("".join))
def test_plain_text_spells_no_special_token(text: str) -> None:
    assert not any(token in plain(text) for token in SPECIAL)


def test_ordinary_text_stays_as_it_is() -> None:
    assert plain("a < b | c |> d <tag> <||") == "a < b | c |> d <tag> < ||"


def special_tokens(text: str) -> list[int]:
    """How often each special token stands in a dialogue that says `text` wherever outsiders speak."""
    hostile: list[Any] = [
        Noted(text=text),
        Noted(text=text, error=True),
        observed(read(text)),
        observed(Failed(error="action", message=text)),
        observed(Detected(phrase="x", objects=(found(9, text),), unknown=(text,))),
        observed(Looked(index=9, label=text)),
        observed(Ranged(ranges=(Range(index=9, label=text, box=BOX, depth=0),))),
        observed(Reencoded(encoder="clip", views=(VIEW,))),
    ]
    asked = ASKED.model_copy(update={"question": text})
    framed = [*opening(asked, ""), *reply(hostile, asked)]
    joined = "".join(piece for piece in framed if isinstance(piece, str))
    return [joined.count(token) for token in SPECIAL]


@given(HOSTILE.map("".join))
def test_whatever_outsiders_say_adds_no_special_token(text: str) -> None:
    assert special_tokens(text) == special_tokens("word")


def test_a_detected_phrase_is_not_repeated() -> None:
    item = Observed(action=Detect(phrase="x"), observation=Detected(phrase="x"))
    assert reply([item], ASKED)[1] == "found\n0"


def test_tools_have_one_order() -> None:
    assert tools_in_order(["read", "look"]) == ("look", "read")
    assert tools_in_order(PERCEPTIONS[::-1]) == PERCEPTIONS


def test_what_an_outline_and_a_depth_say_together_is_the_true_size() -> None:
    """The middle one shows most and is nearest; as large as the last one shows at its distance, it is smaller."""
    areas: list[Observation] = [
        segmented(n, share) for n, share in ((1, 0.01), (2, 0.04), (3, 0.03))
    ]
    depths = zip((1, 2, 3), (0.5, 0.0, 0.8), strict=True)
    ranges = tuple(Range(index=n, label="cube", box=BOX, depth=depth) for n, depth in depths)
    pieces = reply([observed(one) for one in (Ranged(ranges=ranges), *areas)], ASKED)
    assert pieces[-2] == "\nis larger <|obj_3|>cube\nis smaller <|obj_1|>cube"
    some = Ranged(ranges=ranges[:2])
    unknown = reply([observed(one) for one in (some, *areas)], ASKED)
    assert unknown[-2] == "\nlarger <|obj_2|>cube\nsmaller <|obj_1|>cube"


@pytest.mark.parametrize(
    ("phrase", "ordinals"),
    [
        ("red cube", ("", "")),
        ("red cube . blue cube", ("1", "2")),
        ("Blue Cube . cube", ("2", "1")),
        ("blue cubes . the solids", ("2", "1")),
        ("red thing . thing", ("1", "2")),
        ("cone . sign", ("", "")),
    ],
)
def test_of_several_phrases_each_line_says_which_it_answers(
    phrase: str, ordinals: tuple[str, str]
) -> None:
    red, blue = found(1, "red cube"), found(2, "blue cube")
    (words,) = told(Detected(phrase=phrase, objects=(red, blue)), SIZE)
    assert f"left {ordinals[0]}<|obj_1|>red cube" in str(words)
    assert f"below {ordinals[1]}<|obj_2|>blue cube" in str(words)
