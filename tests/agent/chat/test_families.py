"""Each family of chat models in its own template: what is appended, and that it is computed as in one pass."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from foveal.agent.actions import Look, Object
from foveal.agent.chat.context import Context, Network
from foveal.agent.chat.family import FAMILIES, UNKNOWN, Family
from foveal.agent.chat.model import ChatModel
from foveal.agent.observations import Box, Looked, View
from foveal.agent.transcript import Acted, Asked, Item, Noted, Observed

IMAGE, SIZE = "a" * 64, (120, 90)
"""As in the conftest: what the shelf holds."""
ASKED = Asked(image=IMAGE, size=SIZE, question="How many red cubes?", tools=("look", "detect"))
SAID = "Let me see.\n<|look_start|>[100, 200, 300, 400]<|look_end|>"

families = pytest.mark.parametrize("family", FAMILIES)


def looked(*boxes: tuple[int, int, int, int]) -> Observed:
    views = [
        View(role="crop", pixels=Box(image=IMAGE, xyxy=box), source=Box(image=IMAGE, xyxy=box))
        for box in boxes
    ]
    seen = Looked(index=1, label="red cube", views=tuple(views))
    return Observed(action=Look(target=Object(index=1)), observation=seen)


REPLIES: Sequence[Observed | Noted] = (
    looked((0, 0, 60, 64)),
    Noted(text="Say more."),
    looked((10, 10, 120, 40), (30, 0, 90, 90)),
)


async def replied(model: ChatModel, shelf: Any, *items: Observed | Noted) -> Any:
    """A session in which the model has said the same before each of these."""
    said = " " + SAID if model.family == FAMILIES["smolvlm"] and is_smol(model) else SAID
    transcript: list[Item] = [ASKED]
    for item in items:
        transcript += [Acted(text=said), item]
    return await model.open(transcript, shelf)


def is_smol(model: ChatModel) -> bool:
    """Whose prompt ends in "Assistant:": the model begins with a space there."""
    return bool(model.network.model.config.model_type == "smolvlm")


def in_one_pass(session: Any, model: ChatModel) -> torch.Tensor:
    """The logits after the session's tokens and pictures, by the model's own forward, in one go."""
    ids = torch.tensor([session._writer.context.ids])
    inputs = pictures(session, model) | {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == model.network.image).int(),
    }
    with torch.inference_mode():
        out = model.network.model(**{k: v for k, v in inputs.items() if k in model.network.takes})
    last: torch.Tensor = out.logits[0, -1]
    return last


def pictures(session: Any, model: ChatModel) -> dict[str, Any]:
    """All pictures of a session as one input. LLaVA-OneVision cuts up those that come alone, as they did here."""
    whole = session._conversation.whole
    if model.network.model.config.model_type != "llava_onevision":
        return dict(model.process(whole))
    made: list[Any] = [model.process(addition) for addition in session.additions]
    tall = max(one["pixel_values"].shape[1] for one in made)
    pixels = [
        torch.nn.functional.pad(
            one["pixel_values"], (0,) * 7 + (tall - one["pixel_values"].shape[1],)
        )
        for one in made
    ]
    joined = {
        key: torch.cat([one[key] for one in made]) for key in ("image_sizes", "batch_num_images")
    }
    return joined | {"pixel_values": torch.cat(pixels)}


@families
async def test_each_prompt_is_a_strict_prefix_of_the_next(
    chat: Any, shelf: Any, family: str
) -> None:
    model = chat(family)
    session = await model.open([ASKED], shelf)
    prompts = [list(session._writer.context.ids)]
    for item in REPLIES:
        turn = await session.act((), 8)
        before = [*session._writer.context.ids]
        assert before == [*prompts[-1], *turn.tokens]
        spent = session.usage.prefilled
        await session.observe([item])
        prompts.append(list(session._writer.context.ids))
        assert len(prompts[-1]) > len(before)
        assert prompts[-1][: len(before)] == before, "what was computed stays"
        assert session.usage.prefilled - spent == len(prompts[-1]) - len(before), "and only once"
    assert session.usage.afresh == 0
    assert session.usage.visual == prompts[-1].count(model.network.image)


@families
async def test_what_is_computed_is_what_the_template_says(
    chat: Any, shelf: Any, family: str
) -> None:
    model = chat(family)
    session = await replied(model, shelf, *REPLIES)
    computed = session._writer.context.ids
    if (
        family != "llava_onevision"
    ):  # it writes the past with other spaces, and cuts up pictures that come alone
        assert model.process(session._conversation.whole)["input_ids"][0].tolist() == computed
        return
    written = model.tokenizer.decode([token for token in computed if token != model.network.image])
    prompt = session._conversation.prompt.replace("<image>", "")
    assert written.split() == prompt.split()


@families
async def test_appended_hops_give_the_logits_of_one_full_pass(
    chat: Any, shelf: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = chat(family)
    process, additions = model.process, []

    def noting(addition: Any) -> Any:
        additions.append(addition)
        return process(addition)

    for count in range(len(REPLIES) + 1):
        monkeypatch.setattr(model, "process", noting)
        additions.clear()
        session = await replied(model, shelf, *REPLIES[:count])
        monkeypatch.undo()
        session.additions = [addition for addition in additions if addition.pictures]
        expected = in_one_pass(session, model)
        assert torch.allclose(session._writer._logits, expected, atol=2e-4)
        assert expected.std() > 1, "logits too flat to tell anything"


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.planes])
async def test_the_logits_would_tell_of_wrong_positions(
    chat: Any, shelf: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = chat(family)
    monkeypatch.setattr(model, "network", Network(model.network.model, Family()))
    session = await replied(model, shelf, REPLIES[0])
    assert not torch.allclose(session._writer._logits, in_one_pass(session, model), atol=1)


@families
async def test_a_session_rebuilt_from_its_transcript_goes_on_the_same(
    chat: Any, shelf: Any, family: str
) -> None:
    model = chat(family)
    session = await model.open([ASKED], shelf)
    transcript: list[Item] = [ASKED]
    for item in REPLIES:
        transcript += [await session.act((), 6), item]
        await session.observe([item])
    rebuilt = await model.open(transcript, shelf)
    assert rebuilt._writer.context.ids == session._writer.context.ids
    assert torch.allclose(session._writer._logits, rebuilt._writer._logits, atol=2e-4)


@families
async def test_without_a_cache_the_same_is_said(
    chat: Any, shelf: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way for models that nothing is known of, with models of which something is."""
    model = chat(family)
    # Of LLaVA-OneVision the first turn alone: its template would write the past with other spaces.
    replies = () if family == "llava_onevision" else REPLIES
    said = []
    for way in (model.family, UNKNOWN):
        monkeypatch.setattr(model, "family", way)
        session = await replied(model, shelf, *replies)
        turn = await session.act((), 8)
        said.append((turn.text, pytest.approx(turn.confidence, rel=1e-3)))
    assert said[0] == said[1]


async def test_a_model_without_an_adapter_starts_over_each_turn_and_says_so(
    chat: Any, shelf: Any
) -> None:
    model = chat("llava")
    assert model.family == UNKNOWN
    session = await model.open([ASKED], shelf)
    for number, item in enumerate(REPLIES, start=1):
        before = session.usage.prefilled
        turn = await session.act((), 5)
        assert session.usage.prefilled - before == len(
            model.process(session._conversation.whole)["input_ids"][0]
        )
        assert (session.usage.afresh, session.usage.emitted) == (number - 1, 5 * number)
        assert turn.text
        await session.observe([item])
    assert session.usage.visual == 2 * 16


def test_a_context_counts_what_it_holds(chat: Any) -> None:
    model = chat("qwen2_vl")
    with torch.inference_mode():
        context = Context(model.network)
        logits = context.append_ids([5, 6, 7])
        assert (context.ids, context.visual, logits.ndim) == ([5, 6, 7], 0, 1)
