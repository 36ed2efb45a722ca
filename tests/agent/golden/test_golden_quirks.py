"""The odd cases of the paper's code, and what this one does there instead: nothing raises, nothing ends early."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.actions import Encoder, Reencode
from foveal.agent.errors import ActionError
from foveal.agent.native.decoding import decode
from foveal.agent.observations import Box, Reencoded, View
from foveal.agent.transcript import Acted, Asked, Noted, Observed

VARIANTS: list[Encoder] = ["clip", "detection"]
SIZE = (160, 120)
ASKED = Asked(image="0" * 64, size=SIZE, question="What is red?", tools=("look", "reencode"))

each_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture
def quirks(data: Path) -> Any:
    """What the paper's code does, by variant."""
    return json.loads((data / "reference_quirks.json").read_text(encoding="utf-8"))


def forms(model: Any, variant: Encoder) -> tuple[int, int, int]:
    """The ids of start, control token and end."""
    name = f"{variant}_action"
    start, control, end = model.ids(f"<|{name}_start|><|{name}|><|{name}_end|>")
    return start, control, end


def reencoded(variant: Encoder, key: str | None = None) -> Observed:
    box = Box(image="0" * 64, xyxy=(0, 0, *SIZE))
    view = View(role="whole", pixels=box, source=box)
    if key is not None:
        view = View.model_validate(
            view.model_dump() | {"tokens": {"key": key, "grid": (1, 32, 32)}}
        )
    observation = Reencoded(encoder=variant, views=(view,))
    return Observed(action=Reencode(encoder=variant), observation=observation)


KEYS: dict[Encoder, str | None] = {"clip": None, "detection": "0 detection"}


@each_variant
@pytest.mark.parametrize(("limit", "length"), [(1, 1), (2, 2)])
async def test_golden_turn_that_is_cut_off_holds_the_control_token(
    variant: Encoder, limit: int, length: int, paper: Any, desk: Any, steer: Any, quirks: Any
) -> None:
    """There the token sampled in its place stays; here the control token is all that could be sampled."""
    model = paper(variant)
    start, control, _ = forms(model, variant)
    kept = quirks[variant]["start_then_one_more_and_stop"]
    assert kept[0] == start
    assert kept[1] != control
    session = await model.open([ASKED], desk)
    before = session._context.length
    steer([start])
    with pytest.raises(ActionError, match="never closed"):
        await session.act(("reencode",), limit)
    assert session._context.length - before == length
    assert len(session._context.states) == length - 1


@each_variant
async def test_golden_end_of_turn_cannot_come_before_the_control_token(
    variant: Encoder, paper: Any, desk: Any, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    """There a turn whose overwritten token is the end of the turn is over, two tokens long."""
    model = paper(variant)
    cases = json.loads((data / variant / "cases.json").read_text(encoding="utf-8"))
    start, control, end = forms(model, variant)
    stop = model.vocabulary.end
    assert cases["stats"]["round1_forced"]["if_overwritten_token_is_eos"] == [start, stop]
    session = await model.open([ASKED], desk)
    head = model.network.lm_head.forward

    def eager(states: Any) -> Any:
        logits = head(states)
        logits[..., stop] = 1e4
        return logits

    monkeypatch.setattr(model.network.lm_head, "forward", eager)
    session._logits = torch.full_like(session._logits, -50.0)
    session._logits[start] = 50.0
    turn = await session.act(("reencode",), 9)
    assert turn.tokens == (start, control, end)
    assert turn.actions == (Reencode(encoder=variant),)


@each_variant
async def test_golden_streamer_is_given_what_is_in_the_context(
    variant: Encoder, paper: Any, golden: Any, desk: Any, steer: Any
) -> None:
    """There the streamer is given the token that was overwritten."""
    model = paper(variant)
    start, control, end = forms(model, variant)
    assert golden(variant)["round1_forced.streamed_ids"][1] != control
    heard: list[str] = []
    session = await model.open([ASKED], desk)
    steer([start, None, None, model.vocabulary.end])
    turn = await session.act(("reencode",), 9, heard.append)
    assert model.ids("".join(heard)) == list(turn.tokens) == [start, control, end]
    assert len(heard) == 3


@each_variant
async def test_golden_control_token_after_any_token_takes_its_state(
    variant: Encoder, paper: Any, desk: Any, tape: Any, quirks: Any
) -> None:
    model = paper(variant)
    _, control, _ = forms(model, variant)
    letter, acted, *free = quirks[variant]["action_without_start"]["seq"]
    assert acted == control
    session = await model.open([ASKED], desk)
    context, run = session._context, model.engine.run
    logits = run(context.extend([[letter, control]]))
    roll = tape(session)
    assert np.array_equal(roll.embeds()[-1], roll.states()[-2].numpy())
    on = run(decode(context, logits, model.vocabulary, (), (), len(free)))
    assert list(on.tokens) == free


@each_variant
async def test_golden_control_token_after_itself_is_taken_too(
    variant: Encoder, paper: Any, desk: Any, tape: Any, quirks: Any
) -> None:
    """There it raises. The grammar allows it to no model, but a transcript may hold it."""
    assert quirks[variant]["action_action"].startswith("RuntimeError")
    model = paper(variant)
    _, control, _ = forms(model, variant)
    turn = Acted(text="", tokens=(control, control))
    session = await model.open([ASKED, turn, Noted(text="go on")], desk)
    first, second = session._context.states
    embeds, states = tape(session).embeds(), tape(session).states().numpy()
    at = next(n for n, row in enumerate(embeds) if np.array_equal(row, first.numpy()))
    assert np.array_equal(embeds[at + 1], second.numpy())
    assert np.array_equal(states[at], second.numpy())
    assert torch.isfinite(session._logits).all()


@each_variant
async def test_golden_reencoding_that_no_token_asked_for_stays_unconditioned(
    variant: Encoder, paper: Any, golden: Any, desk: Any, tape: Any, quirks: Any
) -> None:
    """There it raises."""
    assert quirks[variant]["no_action_token"].startswith("AssertionError")
    model = paper(variant)
    unasked = [ASKED, Acted(text="Hm."), reencoded(variant, KEYS[variant])]
    session = await model.open(unasked, desk)
    tokens = golden(variant)["round2.tokens_unconditioned"]
    embeds = tape(session).embeds()
    rest = model.ids("<|vision_end|><|im_end|>\n<|im_start|>assistant\n")
    shown = embeds[-len(rest) - len(tokens) : -len(rest)]
    assert np.abs(shown - tokens).max() < 2e-5
    assert not session._context.states


@each_variant
async def test_golden_neighbour_that_does_not_act_changes_nothing(
    variant: Encoder, paper: Any, golden: Any, desk: Any, quirks: Any
) -> None:
    """Conversations with and without a re-encoding, side by side in one engine."""
    assert quirks[variant]["mixed_batch_row0_same"]
    assert quirks[variant]["mixed_batch_row1_same"]
    model, arrays = paper(variant), golden(variant)
    told = reencoded(variant, KEYS[variant])
    acting = await model.open([ASKED, Acted(text=_spelled(variant)), told], desk)
    plain = await model.open([ASKED], desk)
    one, other = await asyncio.gather(acting.act((), 12), plain.act((), 12))
    assert list(one.tokens) == arrays["round2.gen_ids"][0].tolist()
    assert list(other.tokens) == arrays["round1.gen_ids"][0].tolist()


@each_variant
async def test_golden_image_is_never_hidden(
    variant: Encoder, paper: Any, golden: Any, desk: Any, quirks: Any, data: Path
) -> None:
    """The shipped config.json would hide the question and the image in half of the passes."""
    config = json.loads((data / variant / "config.json").read_text(encoding="utf-8"))
    assert (config["para_mask_id"], config["para_mask_ratio"]) == (1, 0.5)
    assert any(quirks[variant]["eval_mode_masked_draws"])
    told = reencoded(variant, KEYS[variant])
    for _ in range(6):
        session = await paper(variant).open([ASKED, Acted(text=_spelled(variant)), told], desk)
        theirs = golden(variant)["round2.gen_logits"][0, 0]
        assert np.abs(session._logits.numpy() - theirs).max() < 1e-3


def _spelled(variant: Encoder) -> str:
    return f"<|{variant}_action_start|><|{variant}_action|><|{variant}_action_end|>"
