"""Random models have the shape that was asked for, and are refused where they do not fit."""

import asyncio
from pathlib import Path

import pytest

from foveal.agent.errors import SetupError
from foveal.agent.native.model import NativeModel
from foveal.evals.bench import models
from foveal.evals.bench.decoding import SINGLY, TOGETHER, _opened, compared
from foveal.evals.bench.models import TINY, TWO_BILLION, random_model
from foveal.evals.bench.steered import steered


def test_a_random_model_has_its_shape(model: NativeModel) -> None:
    text = model.network.config.text_config
    assert (text.hidden_size, text.num_hidden_layers) == (TINY.hidden, TINY.layers)
    assert text.vocab_size == len(model.tokenizer)
    weight = model.network.model.language_model.layers[0].mlp.up_proj.weight
    assert weight.shape == (TINY.mlp, TINY.hidden)
    assert weight.is_contiguous()
    assert (weight[0] != weight[1]).any()
    assert len(model.vision.encode(None).values) == 16  # type: ignore[arg-type]  # eyes closed


def test_the_large_shape_is_that_of_qwen2_vl_2b(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = 2 * 1536 * 1536 + 2 * 1536 * 256 + 3 * 1536 * 8960
    shape = TWO_BILLION
    kept = shape.hidden // shape.heads * shape.key_heads
    assert 2 * shape.hidden**2 + 2 * shape.hidden * kept + 3 * shape.hidden * shape.mlp == layer
    assert (shape.layers, shape.words, shape.half) == (28, 151_936, True)


def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ROOM", 2**60)
    with pytest.raises(SetupError, match=r"needs .* GiB of memory, .* are free"):
        random_model(TWO_BILLION)


def test_turns_never_end_by_themselves(model: NativeModel) -> None:
    script = steered(model)

    async def turns() -> list[int]:
        sessions = await _opened(model)
        return [len((await session.act((), 20)).tokens) for session in sessions]

    assert asyncio.run(turns()) == [20] * 8
    assert script.end not in script.text


def test_a_script_is_followed_to_its_end(model: NativeModel) -> None:
    script = steered(model)
    script.script = [*model.ids("so be it"), script.end]

    async def turn() -> str:
        return (await (await _opened(model))[0].act((), 20)).text

    assert asyncio.run(turn()) == "so be it"


def test_eight_conversations_are_decoded_both_ways(model: NativeModel) -> None:
    found = compared(model, 2, 1)
    assert set(found.numbers) == {TOGETHER, SINGLY}
    assert found.unit == "tokens/s"
