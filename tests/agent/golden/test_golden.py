"""One pass over a conversation gives what the paper's code gives with two: every prompt, position and token."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Encoder, Look, Reencode, Region
from foveal.agent.grammar import render
from foveal.agent.native.control import Control
from foveal.agent.native.decoding import decode
from foveal.agent.observations import Box, Looked, Reencoded, View, VisualTokens
from foveal.agent.transcript import Acted, Asked, Observed

VARIANTS: list[Encoder] = ["clip", "detection"]
QUESTIONS = ("What is red?", "How many bars are there in the picture?")
SIZES = ((160, 120), (101, 143))
CORNERS = Region(x0=1, y0=1, x1=3, y1=4)
STEPS = 12
"""Tokens of every greedy continuation."""

LOGITS, STATE, UNCONDITIONED, CONDITIONED = 1e-3, 2e-5, 2e-5, 3e-4
"""How far float32 may be from the reference's; its own noise floor is 2e-4 in the logits."""

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def asked(row: int = 0) -> Asked:
    return Asked(
        image=str(row) * 64, size=SIZES[row], question=QUESTIONS[row], tools=("look", "reencode")
    )


def reencoded(variant: Encoder, row: int = 0) -> Observed:
    """The whole picture again: through the model's own tower, or from the features that lie on the desk."""
    box = Box(image=str(row) * 64, xyxy=(0, 0, *SIZES[row]))
    tokens = None if variant == "clip" else VisualTokens(key=f"{row} {variant}", grid=(1, 32, 32))
    view = View(role="whole", pixels=box, source=box, tokens=tokens)
    action = Reencode(encoder=variant)
    return Observed(action=action, observation=Reencoded(encoder=variant, views=(view,)))


def looked() -> Observed:
    box = Box(image="0" * 64, xyxy=(0, 0, 100, 90))
    view = View(role="crop", pixels=box, source=box)
    return Observed(action=Look(target=CORNERS), observation=Looked(views=(view,)))


def acted(observed: Observed) -> Acted:
    return Acted(text=render(observed.action), actions=(observed.action,))


def named(variant: Encoder) -> Any:
    """Ids by token."""
    path = Path(__file__).parents[2] / f"data/vpt/{variant}/cases.json"
    return json.loads(path.read_text(encoding="utf-8"))["token_ids"]


def pad(variant: Encoder) -> int:
    return int(named(variant)[f"<|{variant}_image_pad|>"])


def control_token(variant: Encoder) -> int:
    return int(named(variant)[f"<|{variant}_action|>"])


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference of two arrays of the same shape."""
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


def same_prompt(case: str, arrays: Any, roll: Any, network: Any, start: int = 0) -> None:
    """Every position from `start` on: where it stands, and what the model makes of it."""
    length = arrays[f"{case}.input_ids"].shape[1]
    positions, logits = roll.positions()[:, :length], roll.logits(network)[:length]
    assert np.array_equal(positions, arrays[f"{case}.position_ids"][:, 0])
    assert positions.max() + 1 - length == arrays[f"{case}.rope_deltas"][0, 0]
    assert apart(logits[start:, ::4], arrays[f"{case}.logits"][0, start:]) < LOGITS
    assert apart(logits[-1], arrays[f"{case}.gen_logits"][0, 0]) < LOGITS


def same_continuation(
    case: str, arrays: Any, roll: Any, network: Any, turn: Acted, row: int = 0
) -> None:
    """The greedy tokens after the prompt, the logits that chose them, and where they stand."""
    assert list(turn.tokens) == arrays[f"{case}.gen_ids"][row].tolist()
    logits = roll.logits(network)[-STEPS - 1 : -1]  # the last token chooses nothing
    assert apart(logits, arrays[f"{case}.gen_logits"][row]) < LOGITS
    positions = roll.positions()[:, -STEPS:-1]
    assert np.array_equal(positions, arrays[f"{case}.gen_position_ids"][:, row])


@each_variant
@pytest.mark.parametrize("case", ["round1", "round2", "region"])
async def test_golden_prompt_from_scratch(
    case: str, variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any
) -> None:
    model, arrays = paper(variant, "region" if case == "region" else "reencode"), golden(variant)
    told = {"round1": [], "round2": [reencoded(variant)], "region": [looked()]}[case]
    transcript = [asked(), *[item for one in told for item in (acted(one), one)]]
    session = await model.open(transcript, desk)
    same_prompt(case, arrays, tape(session), model.network)
    same_continuation(case, arrays, tape(session), model.network, await session.act((), STEPS))


@each_variant
async def test_golden_control_state_and_the_tokens_that_it_conditions(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any
) -> None:
    arrays = golden(variant)
    told = reencoded(variant)
    for control, key, tolerance in (
        (Control(), "tokens_conditioned", CONDITIONED),
        (Control(c="zero"), "tokens_unconditioned", UNCONDITIONED),
    ):
        session = await paper(variant, control=control).open([asked(), acted(told), told], desk)
        (h,) = session._context.states
        assert apart(h.numpy(), arrays["round2.h"][0]) < STATE
        ids = arrays["round2.input_ids"][0]
        embeds = tape(session).embeds()
        assert apart(embeds[ids == pad(variant)], arrays[f"round2.{key}"]) < tolerance
        assert np.array_equal(embeds[ids == control_token(variant)][0], h.numpy())


@each_variant
async def test_golden_reencoding_goes_on_in_the_cache_of_round_1(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any, steer: Any
) -> None:
    """The public protocol over a whole hop: only what is new is computed, and the answer is the same."""
    model, arrays = paper(variant), golden(variant)
    ids = named(variant)
    session = await model.open([asked()], desk)
    prompt = session.usage.prefilled
    assert prompt == arrays["round1.input_ids"].shape[1]
    steer([ids[f"<|{variant}_action_start|>"], None, None, ids["<|im_end|>"]])
    turn = await session.act(("look", "reencode"), STEPS)
    assert turn.actions == (Reencode(encoder=variant),)
    await session.observe([reencoded(variant)])
    length = arrays["round2.input_ids"].shape[1]
    assert session.usage.prefilled - prompt == length - prompt - len(turn.tokens)
    assert session._context.length == length
    same_prompt("round2", arrays, tape(session), model.network, start=prompt)
    (h,) = session._context.states
    assert apart(h.numpy(), arrays["round2.h"][0]) < STATE
    same_continuation("round2", arrays, tape(session), model.network, await session.act((), STEPS))


@each_variant
async def test_golden_region_goes_on_in_the_cache_of_round_1(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any, steer: Any
) -> None:
    model, arrays = paper(variant, "region"), golden(variant)
    session = await model.open([asked()], desk)
    prompt = session.usage.prefilled
    steer([*model.ids(render(Look(target=CORNERS))), model.vocabulary.end])
    turn = await session.act(("look", "reencode"), STEPS)
    assert turn.actions == (Look(target=CORNERS),)
    await session.observe([looked()])
    length = arrays["region.input_ids"].shape[1]
    assert session.usage.prefilled - prompt == length - prompt - len(turn.tokens)
    same_prompt("region", arrays, tape(session), model.network)
    same_continuation("region", arrays, tape(session), model.network, await session.act((), STEPS))


@each_variant
async def test_golden_forced_turn(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any, steer: Any
) -> None:
    """The steered round 1: start, (forced) control token, end, end of turn, then freely on."""
    model, arrays = paper(variant), golden(variant)
    session = await model.open([asked()], desk)
    start, control, end, stop, *free = arrays["round1_forced.sequence"][0, -STEPS:].tolist()
    steer([start, None, None])
    turn = await session.act(("reencode",), 3)
    assert turn.tokens == (start, control, end)
    context, engine = session._context, model.engine
    assert apart(context.states[0].numpy(), arrays["round1_forced.h"][0]) < STATE
    logits = engine.run(context.extend([[stop]]))
    on = engine.run(decode(context, logits, model.vocabulary, (), (), len(free)))
    assert list(on.tokens) == free
    roll = tape(session)
    chose = roll.logits(model.network)[-STEPS - 1 : -1]
    assert apart(chose, arrays["round1_forced.gen_logits"][0]) < LOGITS
    after = roll.positions()[:, -STEPS:-1]
    assert np.array_equal(after, arrays["round1_forced.gen_position_ids"][:, 0])
    step2 = arrays["round1_forced.step2_input_ids"][0].tolist()
    assert step2 == [start, control]
    assert np.array_equal(after[:, :2], arrays["round1_forced.step2_position_ids"][:, 0])


@each_variant
async def test_golden_rows_of_a_batch_are_decoded_together(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any, together: Any
) -> None:
    """Two conversations in one pass each step: the rows of the reference's batch, without its padding."""
    model, arrays = paper(variant), golden(variant)
    sessions = []
    for row in (0, 1):
        told = reencoded(variant, row)
        sessions.append(await model.open([asked(row), acted(told), told], desk))
    before = model.engine.passes
    turns = await together(model.engine, *(session.act((), STEPS) for session in sessions))
    assert model.engine.passes - before == STEPS
    rows = arrays["batch2.tokens_conditioned"].reshape(-1, 64)
    for row, (session, turn) in enumerate(zip(sessions, turns, strict=True)):
        roll, mask = tape(session), arrays["batch2.attention_mask"][row].astype(bool)
        ids = arrays["batch2.input_ids"][row][mask]
        logits = roll.logits(model.network)[: len(ids)]
        assert apart(logits[-24:], arrays["batch2.logits_tail"][row]) < LOGITS
        assert np.array_equal(
            roll.positions()[:, : len(ids)], arrays["batch2.position_ids"][:, row, mask]
        )
        (h,) = session._context.states
        assert apart(h.numpy(), arrays["batch2.h"][row]) < STATE
        tokens = roll.embeds()[: len(ids)][ids == pad(variant)]
        theirs, rows = rows[: len(tokens)], rows[len(tokens) :]
        assert apart(tokens, theirs) < CONDITIONED
        same_continuation("batch2", arrays, roll, model.network, turn, row)
    assert not len(rows)


@each_variant
async def test_golden_single_run_is_a_pass_without_control(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any
) -> None:
    """The reference with one forward pass neither conditions nor injects."""
    arrays, told = golden(variant), reencoded(variant)
    model = paper(variant, control=Control(c="zero"))
    session = await model.open([asked(), acted(told), told], desk)
    injected = tape(session).logits(model.network)
    model = paper(variant, control=Control(h="none"))
    session = await model.open([asked(), acted(told), told], desk)
    logits = tape(session).logits(model.network)
    assert apart(logits[-24:], arrays["round2_onerun.logits_tail"][0]) < LOGITS
    assert apart(injected[-24:], logits[-24:]) > 100 * LOGITS, "h as an embedding changes nothing"


@each_variant
async def test_golden_prompts_tell_a_wrong_control_apart(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any
) -> None:
    """What the comparisons would say if h were another, or unused."""
    arrays, told = golden(variant), reencoded(variant)
    wrong: Sequence[Control] = (Control(h="zero"), Control(h="random"), Control(c="zero"))
    for control in wrong:
        model = paper(variant, control=control)
        session = await model.open([asked(), acted(told), told], desk)
        logits = tape(session).logits(model.network)
        assert apart(logits[:, ::4], arrays["round2.logits"][0]) > 1


@each_variant
@pytest.mark.parametrize("size", [(1024, 768), (333, 1000), (20, 20), (5000, 16)])
def test_golden_first_look_has_the_published_resolution(
    variant: Encoder, size: tuple[int, int], paper: Any, data: Path
) -> None:
    """A picture of another size gets the reference's number of tokens."""
    rows = json.loads((data / "preprocess_sizes.json").read_text(encoding="utf-8"))
    (row,) = [row for row in rows if (row["width"], row["height"]) == size]
    wall = np.zeros((size[1], size[0], 3), np.uint8)
    seen = paper(variant).first_look("2" * 64, SimpleNamespace(pixels=lambda image: wall))
    assert list(seen.grid) == row["qwen_cap512_grid_thw"]
    assert len(seen.values) == row["qwen_cap512_tokens"]
