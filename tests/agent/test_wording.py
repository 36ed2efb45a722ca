"""Each observation in the words that a small model reads, to the character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import Encoder
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
from foveal.agent.wording import READ_LIMIT, Piece, Reseen, extremes, plain, told

IMAGE, SIZE = "a" * 64, (800, 600)
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


@pytest.mark.parametrize("encoder", ["clip", "detection", "seg"])
def test_another_encoder_is_named(encoder: Encoder) -> None:
    seen = told(Reencoded(encoder=encoder, views=(VIEW,)), SIZE)
    assert seen == [f"again {encoder}", Reseen(encoder, VIEW)]


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


@given(st.text("<|>x"))
def test_plain_text_opens_no_special_token(text: str) -> None:
    assert "<|" not in plain(text)


def test_ordinary_text_stays_as_it_is() -> None:
    assert plain("a < b | c |> d <tag> <||") == "a < b | c |> d <tag> < ||"


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


def outlines(*shares: float) -> list[Observation]:
    return [segmented(n, share) for n, share in enumerate(shares, start=1)]


def test_the_largest_and_the_smallest_of_several_outlines_are_named() -> None:
    named = ["\nlarger <|obj_2|>cube\nsmaller <|obj_3|>cube"]
    assert extremes(outlines(0.02, 0.3, 0.01), SIZE) == named
    assert not extremes(outlines(0.02), SIZE)


def test_what_an_outline_and_a_depth_say_together_is_the_true_size() -> None:
    """The middle one shows most and is nearest; as large as the last one shows at its distance, it is smaller."""
    areas, depths = outlines(0.01, 0.04, 0.03), enumerate((0.5, 0.0, 0.8), start=1)
    ranges = tuple(Range(index=n, label="cube", box=BOX, depth=depth) for n, depth in depths)
    told_truly = ["\nis larger <|obj_3|>cube\nis smaller <|obj_1|>cube"]
    assert extremes([Ranged(ranges=ranges), *areas], SIZE) == told_truly
    told_as_shown = ["\nlarger <|obj_2|>cube\nsmaller <|obj_1|>cube"]
    assert extremes([Ranged(ranges=ranges[:2]), *areas], SIZE) == told_as_shown
