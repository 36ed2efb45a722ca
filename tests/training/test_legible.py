"""What re-encodings hold is read without a language model."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.agent.observations import View
from foveal.agent.profiles import embedded_weights
from foveal.agent.wording import Reseen
from foveal.training import subjects
from foveal.training.imagine import imagined
from foveal.training.legible import WAYS, Reading, legible, main, paired
from foveal.training.meanings import Dictionary
from foveal.training.networks import finished
from foveal.training.observing import whole
from foveal.training.reencoders import encoders_of
from foveal.training.scenes import Scenes
from foveal.training.subjects import Imagined, remembered

GRIDS: dict[Encoder, tuple[int, int]] = {"detection": (16, 16), "seg": (16, 16)}


@pytest.fixture(scope="module")
def words(tokenizer: Any) -> Dictionary:
    table = torch.randn(tokenizer.get_vocab_size(), 256, generator=torch.Generator().manual_seed(5))
    return Dictionary(table, tokenizer)


@pytest.mark.parametrize("kind", ["detection", "seg"])
def test_tokens_without_fault_are_read_without_fault_and_no_others(
    kind: Encoder, words: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOISE", "WAVERING"):
        monkeypatch.setattr(subjects, name, 0.0)
    for table in ("MISTAKEN", "AFAR", "UNSAID"):
        monkeypatch.setattr(subjects, table, dict.fromkeys(getattr(subjects, table), 0.0))
    rng = np.random.default_rng(0)
    right: dict[str, list[bool]] = {"true": [], "noise": []}
    while len(right["true"]) < 40:
        scene = imagined(rng)
        pair = paired(scene, kind, rng)
        if pair is None or min(t.visible for t in pair) < 0.01 * scene.instances.size:
            continue
        box = whole((scene.instances.shape[1], scene.instances.shape[0]))
        view = Reseen(kind, View(role="whole", pixels=box, source=box))
        said = Imagined(scene, words, rng, (kind,)).shown(view, GRIDS[kind])
        assert isinstance(said, torch.Tensor)
        for name, tokens in (("true", said), ("noise", torch.randn(said.shape))):
            reading = Reading(kind, scene, GRIDS[kind], functional.normalize(tokens, dim=1), words)
            right[name].append(reading.named(pair[0]) > reading.named(pair[1]))
    assert np.mean(right["true"]) > 0.85
    assert np.mean(right["noise"]) < 0.75


@pytest.mark.parametrize("kind", ["detection", "seg"])
def test_what_is_compared_stands_in_order(kind: Encoder) -> None:
    rng = np.random.default_rng(1)
    pairs = [pair for _ in range(30) if (pair := paired(imagined(rng), kind, rng))]
    assert len(pairs) > 15
    if kind == "detection":
        assert all(one.depth < other.depth for one, other in pairs)
    else:
        assert all(one.visible > other.visible for one, other in pairs)


def test_every_scene_that_allows_a_comparison_is_asked_once(
    eight: Scenes, words: Dictionary
) -> None:
    network, encoders = finished(embedded_weights()), encoders_of(embedded_weights())
    for kind in ("detection", "seg"):
        right = legible(network, words, eight, kind, encoders, np.random.default_rng(0))
        rng = np.random.default_rng(0)
        asked = [n for n in range(8) if paired(remembered(eight, n), kind, rng) is not None]
        assert len(right) == len(asked)
        assert {len(one) for one in right} == {len(WAYS)}


def test_the_command_prints_a_line_for_each_encoder(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foveal.training.scenes.SHARD", 4)
    monkeypatch.setattr("foveal.training.hearing.BATCHES", 2)
    monkeypatch.setattr("foveal.training.hearing.LOOKS", 4)
    main([
        "--weights", str(embedded_weights()), "--scenes", str(tmp_path), "--count", "4",
        "--workers", "1",
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line, start in zip(lines, ("nearer by detection", "larger by seg"), strict=True):
        assert line.startswith(start)
        assert all(f" {way.__name__} " in line for way in WAYS)
