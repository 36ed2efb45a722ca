"""All stages run, what they write can be served, and a broken training goes on where it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from foveal.agent.dialogue import Foveal
from foveal.agent.errors import InputError, SetupError
from foveal.agent.native.model import NativeModel
from foveal.agent.profiles import embedded_weights
from foveal.agent.transcript import Asked
from foveal.training import hearing, model, networks, pictured, scenes
from foveal.training.glimpses import grid_of
from foveal.training.loop import CHECKPOINT
from foveal.training.meanings import Dictionary
from foveal.training.model import STAGES, ModelOptions, train
from foveal.training.policy import batches
from foveal.training.stages import (
    Alignment,
    Imagination,
    Pictured,
    Policy,
    Projection,
    emission_loss,
)
from foveal.training.tokenizer import SYSTEM

TABLE = "model.language_model.embed_tokens.weight"
FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tiny: Any, tokenizer: Any) -> None:
    """Six scenes, the small tokenizer and a toy network."""
    toy = tiny(tokenizer).config
    monkeypatch.setattr(scenes, "SHARD", 8)
    monkeypatch.setattr(model, "build", lambda *_: tokenizer)
    monkeypatch.setattr(networks, "config", lambda _: toy)
    monkeypatch.setattr(hearing, "BATCHES", 3)
    monkeypatch.setattr(hearing, "LOOKS", 3)


def options(few: Path, out: Path, **more: Any) -> ModelOptions:
    usual: dict[str, Any] = {
        "count": 6,
        "batch": 2,
        "steps": 3,
        "warm": 1,
        "encoders": embedded_weights(),
    }
    return ModelOptions(out=out, scenes=few, **usual | more)


def words_of(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


class Shelf:
    """A store with one picture."""

    def pixels(self, image: str) -> NDArray[np.uint8]:
        return np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)

    def array(self, key: str) -> NDArray[Any]:
        raise AssertionError("nothing was encoded by a specialist")


@pytest.fixture
def trained(few: Path, tmp_path: Path) -> Path:
    train(options(few, tmp_path / "out"))
    return tmp_path / "out"


async def test_what_is_trained_can_be_served(trained: Path) -> None:
    assert [(trained / name).is_file() for name in FILES] == [True] * 4
    served = NativeModel.from_folder(trained, Foveal(SYSTEM))
    asked = Asked(image="0" * 64, size=(120, 90), question="How many?", tools=("detect",))
    session = await served.open([asked], Shelf())
    turn = await session.act((), max_new_tokens=20)
    assert turn.tokens
    assert [action.kind for action in turn.actions] == ["answer"]
    rows, columns = grid_of(120, 90)
    assert served.first_look("0" * 64, Shelf()).grid == (1, 2 * rows, 2 * columns)


def test_every_stage_takes_its_share_of_the_steps(trained: Path) -> None:
    for stage in STAGES:
        assert torch.load(trained / stage / CHECKPOINT, weights_only=True)["step"] == 1
        assert (trained / stage / "model.safetensors").is_file()


def test_each_stage_changes_its_own_part_and_no_other(trained: Path) -> None:
    """And begins with what the stages before it wrote."""
    parents = {
        "imagination": ("policy",),
        "alignment": ("policy",),
        "projection": ("policy",),
        "pictured": ("imagination", "alignment"),
    }
    for stage, before in parents.items():
        after = load_file(trained / stage / "model.safetensors")
        for seeing, parent in ((False, before[0]), (True, before[-1])):
            old = load_file(trained / parent / "model.safetensors")
            changed = [
                name for name, value in after.items()
                if ("visual" in name) == seeing and name in old and not torch.equal(value, old[name])
            ]  # fmt: skip
            if stage == "projection":
                assert not changed
                continue
            assert bool(changed) == (seeing == (stage == "alignment")), (stage, parent)


def test_projectors_learn_apart_and_keep_what_they_learnt(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens that imagined re-encodings stand for must still be theirs when real ones are shown."""
    for name, share in (("AGAIN", 1.0), ("POINTING", 0.0)):
        monkeypatch.setattr(pictured, name, share)
    trained = tmp_path / "out"
    train(options(few, trained, steps=15, batch=8))
    first, last = (load_file(trained / s / "model.safetensors") for s in ("projection", "pictured"))
    kinds = {name.split("_")[0] for name in first if "_projector." in name}
    assert kinds == {"clip", "detection", "seg"}
    assert NativeModel.from_folder(trained, Foveal(SYSTEM)).projectors.keys() == kinds
    taught = [name for name in first if name.startswith(("detection_projector", "seg_projector"))]
    assert "seg_projector.conv_feature.weight" in taught
    assert all(torch.equal(first[name], last[name]) for name in taught)


def test_without_other_encoders_there_is_nothing_to_project(few: Path, tmp_path: Path) -> None:
    train(options(few, tmp_path, encoders=None))
    assert not (tmp_path / "projection").exists()
    assert not NativeModel.from_folder(tmp_path, Foveal(SYSTEM)).projectors
    with pytest.raises(InputError, match="--encoders"):
        train(options(few, tmp_path, encoders=None, stage="projection"))


def test_a_stage_can_be_trained_alone(few: Path, tmp_path: Path, trained: Path) -> None:
    for stage in STAGES:
        train(options(few, tmp_path / "alone", stage=stage))
    one, two = (
        (folder / "model.safetensors").read_bytes() for folder in (trained, tmp_path / "alone")
    )
    assert one == two


def test_finished_weights_are_gone_on_with(few: Path, tmp_path: Path, trained: Path) -> None:
    """Their tower and their projectors stay as they are; projectors that were taught anew replace theirs."""
    old = load_file(trained / "model.safetensors")
    kept = [name for name in old if "visual" in name or "_projector." in name]
    train(options(few, tmp_path / "on", stage="pictured", begin=trained))
    on = load_file(tmp_path / "on" / "model.safetensors")
    assert on.keys() == old.keys()
    assert all(torch.equal(on[name], old[name]) for name in kept)
    assert any(not torch.equal(on[name], old[name]) for name in old)
    assert NativeModel.from_folder(tmp_path / "on", Foveal(SYSTEM)).projectors
    for stage in ("projection", "pictured"):
        train(options(few, tmp_path / "anew", stage=stage, begin=trained))
    anew = load_file(tmp_path / "anew" / "model.safetensors")
    taught = load_file(tmp_path / "anew" / "projection" / "model.safetensors")
    for name in kept:
        assert torch.equal(anew[name], taught[name] if "_projector." in name else old[name])
    assert not torch.equal(
        anew["seg_projector.conv_feature.weight"], old["seg_projector.conv_feature.weight"]
    )


def test_the_words_of_finished_weights_are_those_of_their_tower(
    few: Path, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Dictionary] = []

    def noted(*given: Any) -> Pictured:
        shown.append(given[2])
        return Pictured(*given)

    monkeypatch.setattr(model, "Pictured", noted)
    train(options(few, tmp_path, stage="pictured", begin=trained))
    (words,) = shown
    unlike = Dictionary(load_file(trained / "model.safetensors")[TABLE].float(), words_of(trained))
    assert not torch.equal(words.columns, unlike.columns)
    assert not torch.equal(words.scales["near"], unlike.scales["near"])


@pytest.mark.parametrize("stage", ["all", "policy", "imagination", "alignment"])
def test_what_cannot_go_on_from_finished_weights_says_so(
    few: Path, tmp_path: Path, stage: str
) -> None:
    with pytest.raises(InputError, match=f"stage {stage} cannot go on .* --begin"):
        train(options(few, tmp_path, stage=stage, begin=tmp_path))


def test_finished_weights_without_projectors_are_taught_some(few: Path, tmp_path: Path) -> None:
    train(options(few, tmp_path / "plain", encoders=None))
    on = options(few, tmp_path / "on", begin=tmp_path / "plain")
    with pytest.raises(SetupError, match="projection"):
        train(on.model_copy(update={"stage": "pictured"}))
    for stage in ("projection", "pictured"):
        train(on.model_copy(update={"stage": stage}))
    assert NativeModel.from_folder(tmp_path / "on", Foveal(SYSTEM)).projectors


def test_a_folder_without_finished_weights_is_named(few: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        train(options(few, tmp_path / "out", stage="pictured", begin=tmp_path))


def test_the_same_seed_trains_the_same_model(few: Path, tmp_path: Path, trained: Path) -> None:
    train(options(few, tmp_path / "again"))
    train(options(few, tmp_path / "other", seed=1))
    one, two, other = (
        (folder / "model.safetensors").read_bytes()
        for folder in (trained, tmp_path / "again", tmp_path / "other")
    )
    assert one == two != other


def test_a_broken_training_goes_on_where_it_was(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def noted(stage: Any, breaks: bool) -> Any:
        def loss(self: Any, step: int, progress: float) -> Any:
            ran.append(f"{stage.__name__} {step}")
            if breaks and ran[-1] == "Alignment 1":
                raise KeyboardInterrupt
            return original(self, step, progress)

        original = stage.loss
        return loss

    chosen = options(
        few, tmp_path, steps=8, shares=(0.25, 0.25, 0.25, 0.1, 0.25), save_minutes=1e-9
    )
    with monkeypatch.context() as patch:
        for stage in (Policy, Imagination, Alignment, Projection, Pictured):
            patch.setattr(stage, "loss", noted(stage, breaks=True))
        with pytest.raises(KeyboardInterrupt):
            train(chosen)
    assert ran == [
        f"{name} {step}" for name in ("Policy", "Imagination", "Alignment") for step in (0, 1)
    ]
    assert not (tmp_path / "model.safetensors").exists()
    ran.clear()
    for stage in (Policy, Imagination, Alignment, Projection, Pictured):
        monkeypatch.setattr(stage, "loss", noted(stage, breaks=False))
    train(chosen)
    assert ran == ["Alignment 1", "Projection 0", "Pictured 0", "Pictured 1"]
    assert NativeModel.from_folder(tmp_path, Foveal(SYSTEM))


def test_what_goes_on_keeps_its_words(
    few: Path, tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tokenizer would give every number in the checkpoint another meaning."""
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    monkeypatch.setattr(model, "build", lambda *_: pytest.fail("it was made anew"))
    train(options(few, tmp_path, stage="policy"))


def test_the_policy_is_learnt(tiny: Any, tokenizer: Any) -> None:
    network = tiny(tokenizer)
    packed = next(batches(tokenizer, 0, 2))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss, numbers = emission_loss(network, packed, None)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0], losses
    assert 0 <= numbers["right"] <= 1


def test_only_emitted_tokens_count(tiny: Any, tokenizer: Any) -> None:
    network, packed = tiny(tokenizer), next(batches(tokenizer, 0, 2))
    padding = packed.ids.clone()
    padding[:, -1] = 7
    assert not packed.emitted[:, -1].any()
    loss, same = (
        emission_loss(network, replace(packed, ids=ids), None)[0].item()
        for ids in (packed.ids, padding)
    )
    assert loss == same


def test_pictures_are_resized_as_they_were_in_training(trained: Path) -> None:
    told = json.loads((trained / "preprocessor_config.json").read_text())
    assert told["again"] == "quarters"
    assert told["size"] == {"shortest_edge": 224 * 224, "longest_edge": 224 * 224}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0}, {"minutes": -1}, {"clip": 0}, {"warm": 0}, {"decay": -0.1}, {"batch": 1},
        {"shares": (1, 0, 0, 0, 0)}, {"shares": (0.5, 0.5)}, {"stage": "sleep"}, {"optimiser": "sgd"},
        {"steps": -1}, {"count": 0}, {"fly": 1},
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelOptions(**wrong)


def test_muon_is_the_default() -> None:
    assert ModelOptions().optimiser == "muon"


def test_what_is_trained_knows_which_pictures_it_was_trained_on(trained: Path) -> None:
    assert NativeModel.from_folder(trained, Foveal(SYSTEM)).trust.familiarity is not None
