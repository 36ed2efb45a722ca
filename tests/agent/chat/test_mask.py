"""What a chat model may write: every action that is allowed, any answer, and nothing malformed."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.actions import PERCEPTIONS, Area, Object, targets_of
from foveal.agent.chat.mask import ACTIONS, Boxes, Mask, Masks
from foveal.agent.chat.turn import Turn
from foveal.agent.coordinates import Convention, Frame
from foveal.agent.grammar import FORMS, parse, render

LONG = 2000
"""Tokens, more than the longest turn of actions has."""
FRAMES = {
    "thousand": Frame("thousand", (640, 480), (640, 480)),
    "pixels": Frame("pixels", (640, 480), (644, 476)),
    "grid": Frame("grid", (640, 480), (640, 480)),
}


@pytest.fixture(scope="module")
def tokenizer(chat: Any) -> Any:
    """Byte pairs that span the borders of tags: '|>[' and the like would be one token if it had met them."""
    return chat("qwen2_vl").tokenizer


@pytest.fixture(scope="module")
def masks(tokenizer: Any) -> Masks:
    return Masks(
        tokenizer, [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    )


def written(masks: Masks, mask: Mask, text: str) -> int:
    """How many bytes of a text may be written, in the longest tokens that may come.

    Not in the tokenizer's own: where only one thing may follow, the mask insists on how that is usually cut up.
    """
    rest = text.encode()
    spelled = {token: masks.bytes_of(token) for token in range(masks.size)}
    while rest:
        may = [token for token in np.flatnonzero(mask.allowed()) if spelled[int(token)]]
        fitting = [int(token) for token in may if rest.startswith(spelled[int(token)])]
        if not fitting:
            break
        best = max(fitting, key=lambda token: len(spelled[token]))
        mask.take(best)
        rest = rest[len(spelled[best]) :]
    return len(text.encode()) - len(rest)


WELL_FORMED = [
    "two red cubes",
    "Is 3 < 4? Yes.",
    "日本語, é and 🙂",
    "<think>left or right</think>left",
    "<|look_start|>[120, 45, 310, 400]<|look_end|>",
    "<|look_start|>[0,0,999,1000]<|look_end|>",
    "<|look_start|><|obj_2|><|look_end|>",
    "Let me see.\n<|look_start|><|obj_1|><|look_end|>\n<|read_start|><|read_end|>",
    "a<<|read_start|>[1, 2, 30, 40]<|read_end|><|read_start|><|read_end|>",
    "<|detect_start|>red cube . blue, [round] thing<|detect_end|>",
    "<|segment_start|>[1, 2, 30, 40]<|segment_end|>",
    "<|depth_start|><|obj_1|>[1, 2, 30, 40]<|obj_2|><|depth_end|>",
    "<|depth_start|><|depth_end|>",
    "<|seg_action_start|><|seg_action|><|seg_action_end|>",
]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_what_is_well_formed_may_be_written(masks: Masks, text: str) -> None:
    mask = masks.turn(PERCEPTIONS, (1, 2), 1000)
    assert written(masks, mask, text) == len(text.encode())
    assert mask.allowed()[sorted(masks.ends)].all(), "a turn may end here, in every way"
    parse(text, FRAMES["thousand"].target)


@pytest.mark.parametrize("text", WELL_FORMED)
def test_it_may_be_written_in_word_pieces_as_well(pieces: Any, text: str) -> None:
    masks = Masks(pieces, [pieces.eos_token_id])
    mask = masks.turn(PERCEPTIONS, (1, 2), 1000)
    assert written(masks, mask, text) == len(text.encode())
    assert mask.allowed()[pieces.eos_token_id]


def test_what_is_written_is_what_the_tokenizer_reads(
    pieces: Any, masks: Masks, tokenizer: Any
) -> None:
    for made, own in ((Masks(pieces, [pieces.eos_token_id]), pieces), (masks, tokenizer)):
        for text in WELL_FORMED:
            tokens = own.encode(text, add_special_tokens=False)
            assert b"".join(map(made.bytes_of, tokens)).decode().strip() == text


MALFORMED = [
    ("<|look_start|>", "<|look_end|>"),
    ("<|look_start|>[1, 2, 3", "]"),
    ("<|look_start|>[1, 2, 3, 4", ","),
    ("<|look_start|>[", "-"),
    ("<|look_start|>[", "01"),
    ("<|look_start|>[", "12345"),
    ("<|look_start|>", "<|obj_3|>"),  # not found yet
    ("<|look_start|><|obj_1|>", "<|obj_2|>"),  # only one
    ("<|look_start|><|obj_1|><|look_end|>", " and"),
    ("<|look_start|>", "the cube"),
    ("<|detect_start|>", "<|detect_end|>"),
    ("<|detect_start|>", " "),
    ("<|detect_start|>cube", "\n"),
    ("<|detect_start|>cube", "<|obj_1|>"),
    ("<|detect_start|>" + "x" * 80, "x"),
    ("<|depth_start|>" + "<|obj_1|>" * 8, "<|obj_1|>"),
    ("", "<|region_token_start|>"),  # for those who have the tokens
    ("", "<|read_end|>"),
    ("so <|", "b|>"),
    ("    ", " "),
]


@pytest.mark.parametrize(("begun", "next_one"), MALFORMED)
def test_what_is_malformed_may_not(masks: Masks, begun: str, next_one: str) -> None:
    mask = masks.turn(PERCEPTIONS, (1, 2), 1000)
    stop = written(masks, mask, begun + next_one)
    assert len(begun) - 2 <= stop < len(begun + next_one)


def test_a_turn_is_not_empty_and_an_action_not_half(masks: Masks) -> None:
    for text in ("", "  ", "<|look_start|>", "<|look_start|>[1, 2, 3, 4]", "<|"):
        mask = masks.turn(PERCEPTIONS, (1,), 1000)
        written(masks, mask, text)
        assert not mask.allowed()[sorted(masks.ends)].any()


def test_a_turn_has_so_many_actions(masks: Masks) -> None:
    actions = "<|read_start|><|read_end|>" * ACTIONS
    mask = masks.turn(PERCEPTIONS, (), 1000)
    assert written(masks, mask, actions + actions) == len(actions)
    assert {*np.flatnonzero(mask.allowed())} == masks.ends


def test_no_special_token_is_ever_text(masks: Masks, tokenizer: Any) -> None:
    special = [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]
    assert len(special) == 8
    for mask in (masks.turn((), (), 7), masks.turn(PERCEPTIONS, (1,), 7)):
        mask.take(tokenizer.encode("a")[0])
        assert set(np.flatnonzero(mask.allowed()[special])) == {
            special.index(end) for end in masks.ends
        }


def test_what_may_not_come_cannot_be_taken(masks: Masks, tokenizer: Any) -> None:
    with pytest.raises(ValueError, match="may not come here"):
        masks.turn((), (), 7).take(tokenizer.convert_tokens_to_ids("<|im_start|>"))


@pytest.mark.parametrize("convention", FRAMES)
def test_hundreds_of_random_models_write_nothing_malformed(
    masks: Masks, tokenizer: Any, convention: str
) -> None:
    """Each is a random table of what follows which token, with a liking for what actions are made of."""
    frame = FRAMES[convention]
    random = torch.Generator().manual_seed(len(convention))
    size = len(tokenizer)
    liked = {token for form in FORMS for token in tokenizer.encode(form.start + form.end + "0, 7]")}
    seen: Counter[str] = Counter()
    for number in range(250):
        tools = [kind for kind in PERCEPTIONS if torch.rand((), generator=random) < 0.7]
        found = (1, 2) if number % 2 else ()
        table = 3 * torch.randn(size, size, generator=random)
        table[:, list(liked)] += 3
        table[:, list(masks.ends)] += 6
        turn = Turn(masks, masks.turn(tools, found, max(frame.limits)), Boxes(frame), LONG)
        last = number % size
        while (token := turn.next(table[last])) is not None:
            last = token
        assert len(turn.tokens) < LONG or "<|" not in turn.text, "only prose goes on and on"
        actions = parse(turn.text, frame.target)
        seen.update(action.kind for action in actions)
        assert {action.kind for action in actions} <= {*tools, "answer"}
        for action in actions:
            if action.kind != "answer":
                numbers = {t.index for t in targets_of(action) if isinstance(t, Object)}
                assert numbers <= set(found)
                assert parse(render(action, frame.spelled), frame.target)
        assert 0 < turn.confidence <= 1
    assert set(seen) == {*PERCEPTIONS, "answer"}, "every kind was written at least once"


BOXES: list[tuple[Convention, str, bool]] = [
    ("thousand", "<|look_start|>[1, 2, 30, 40]", True),
    ("thousand", "<|look_start|>[30, 2, 1, 40]", True),  # corners in any order
    ("thousand", "<|look_start|>[1, 2, 1", True),  # may become 10
    ("thousand", "<|look_start|>[1, 2, 1,", False),
    ("thousand", "<|look_start|>[1, 2, 30, 2]", False),
    ("thousand", "<|look_start|>[1, 2, 30, 2", True),
    ("thousand", "<|look_start|>[1, 2, 30, ", True),
    ("thousand", "<|look_start|>[1000, 2, 1000", False),
    ("thousand", "<|look_start|>[1001", False),
    ("thousand", "<|look_start|>[0, 0, 1, 1]", False),  # fractions of 1, perhaps
    ("thousand", "<|look_start|>[0, 0, 1, 1", True),
    ("thousand", "<|look_start|>[0, 0, 1, 0", False),
    ("thousand", "<|depth_start|>[1, 2, 3, 4][5, 6, 5,", False),
    ("thousand", "<|depth_start|>[5, 6, 5, 7][1", False),
    (
        "thousand",
        "<|look_start|>[5, 6, 5, 7]<|look_end|><|look_start|>[1",
        True,
    ),  # of an action that is over
    ("thousand", "<|detect_start|>[5, 6, 5, 5]", True),  # a phrase
    ("thousand", "I saw [5, 6, 5, 5]", True),
    ("pixels", "<|look_start|>[0, 0, 644, 476]", True),
    ("pixels", "<|look_start|>[0, 477", False),
    ("pixels", "<|look_start|>[645", False),
    ("pixels", "<|look_start|>[0, 0, 64", True),
    ("grid", "<|look_start|>[1, 2, 1, 2]", True),
    ("grid", "<|look_start|>[1, 2, 8", False),
    ("grid", "<|clip_action_start|><|clip_action|>", True),
]


@pytest.mark.parametrize(("convention", "text", "fits"), BOXES)
def test_boxes_that_can_still_be_used(convention: Convention, text: str, fits: bool) -> None:
    assert Boxes(FRAMES[convention]).fit(text) is fits


def test_json_is_held_to_its_schema(masks: Masks) -> None:
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer"}},
        "required": ["count"],
        "additionalProperties": False,
    }
    mask, other = masks.json(schema), masks.json(schema)
    assert mask is not None
    assert other is not None
    assert written(masks, mask, '{"count": 12}') == 13
    assert mask.allowed()[sorted(masks.ends)].all()
    assert written(masks, other, '{"size": 12}') < 6
    assert masks.json({"$ref": "#/nowhere"}) is None


def test_a_box_without_extent_cannot_be_insisted_on(masks: Masks) -> None:
    frame = FRAMES["thousand"]
    turn = Turn(masks, masks.turn(["look"], (), 1000), Boxes(frame), 60)
    wanted = b"<|look_start|>[7, 7, 7, 7]<|look_end|>"
    while turn.next(liking(masks, wanted[len(turn.text) :])) is not None:
        pass
    assert turn.text.startswith("<|look_start|>[7, 7, 7")
    assert turn.text.encode() != wanted
    (action,) = parse(turn.text, frame.target)
    assert action.kind == "look"
    assert isinstance(action.target, Area)


def liking(masks: Masks, wanted: bytes) -> torch.Tensor:
    """Logits of a model that wants to write this, and else to end its turn."""
    logits = torch.zeros(masks.size)
    for token in range(masks.size):
        spelled = masks.bytes_of(token)
        if spelled and wanted.startswith(spelled):
            logits[token] = 9.0 + len(spelled)
    logits[list(masks.ends)] = 5.0
    return logits
