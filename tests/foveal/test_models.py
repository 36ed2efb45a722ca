"""`agent run --model`: checkpoints in the released format, from the command to a second look and an answer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Encoder
from foveal.agent.profiles import embedded_weights
from foveal.cli import main

VPT = Path(__file__).parents[1] / "data" / "vpt"
WORDS = ["run", "--image", str(VPT / "images" / "img0.png"), "--question", "What is red?", "--json"]
SEEN: dict[Encoder, int] = {"clip": 24, "detection": 256, "seg": 256}
"""Visual tokens of the second look at the picture, by encoder."""


@pytest.fixture
def eager(tmp_path: Path, seg_checkpoint: Path) -> Callable[[Encoder], Path]:
    """Checkpoints whose random weights answer this question, with its phrase, by one re-encoding first.

    Two rows of the output layer are turned towards the states in which the paper's code left the model after the
    prompt and after the action: nothing but the weights decides what is said.
    """

    def made(variant: Encoder) -> Path:
        import torch

        folder = tmp_path / variant
        source = seg_checkpoint if variant == "seg" else VPT / variant
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.npz"))
        with np.load(VPT / ("clip" if variant == "seg" else variant) / "golden.npz") as golden:
            logits = torch.from_numpy(golden["round1_forced.gen_logits"][0])
        state = torch.load(folder / "pytorch_model.bin", weights_only=True)
        asked, acted = torch.linalg.lstsq(state["lm_head.weight"], logits[[0, 3]].T).solution.T
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state["lm_head.weight"][config[f"{variant}_action_start_id"]] = towards(asked, acted)
        state["lm_head.weight"][config["eos_token_id"]] = towards(acted, asked)
        torch.save(state, folder / "pytorch_model.bin")
        config["tie_word_embeddings"] = False  # the input embeddings stay as they are
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return folder

    return made


def towards(state: Any, other: Any) -> Any:
    """The row of a token that gets the logit 12 in one state and 0 in another."""
    apart = state - other * (state @ other) / (other @ other)
    return apart * 12 / (apart @ state)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON object that was printed."""
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("variant", SEEN)
def test_a_released_checkpoint_sees_the_image_again_and_answers(
    variant: Encoder, eager: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(eager(variant)), "--trigger", "reencode", "--max-hops", "1"]
    assert main([*WORDS, *options]) == 0
    report = told(capsys)
    assert (report["profile"], report["tools"]) == (variant, ["look", "reencode"])
    hop = report["hops"][0]
    assert hop["action"] == {"kind": "reencode", "encoder": variant}
    assert (len(report["hops"]), hop["specialist"]) == (1, "encoder")
    assert report["answer"]
    assert report["usage"]["visual"] == 24 + SEEN[variant]


@pytest.mark.parametrize("variant", SEEN)
def test_without_its_phrase_it_answers_at_once(
    variant: Encoder, seg_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = seg_checkpoint if variant == "seg" else VPT / variant
    assert main([*WORDS, "--model", str(folder), "--max-hops", "0"]) == 0
    report = told(capsys)
    assert (report["hops"], report["usage"]["visual"]) == ([], 24)
    assert report["answer"]


@pytest.mark.ray
def test_its_encoder_may_work_elsewhere(eager: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", str(eager("detection")), "--trigger", "reencode", "--max-hops", "1"]
    answers = []
    for where in ([], ["--ray"]):
        assert main([*WORDS, *options, *where]) == 0
        answers.append(told(capsys))
    here, there = answers
    assert there["hops"][0]["action"] == {"kind": "reencode", "encoder": "detection"}
    assert (there["answer"], there["usage"]["visual"]) == (here["answer"], here["usage"]["visual"])


def test_our_own_folder_answers_as_the_profile_does(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tools", "none", "--model"]
    assert main([*WORDS, *options, str(embedded_weights())]) in (0, 1)
    mine = told(capsys)
    assert main([*WORDS, *options[:2], "--profile", "embedded"]) in (0, 1)
    assert told(capsys)["answer"] == mine["answer"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "nowhere"], "no model 'nowhere': there is no such folder"),
        (["--model", str(VPT)], "holds no model"),
        (["--model", str(VPT / "clip"), "--profile", "embedded"], "exclude each other"),
        (["--model", str(VPT / "clip"), "--trigger", "look"], "no trigger 'look'"),
        (
            ["--model", str(VPT / "clip"), "--tools", "detect"],
            "profile 'clip' has no tool 'detect'",
        ),
        (["--trigger", "region"], "profile 'embedded' knows no trigger phrases"),
    ],
)
@pytest.mark.parametrize("verb", [WORDS, ["eval", "tabletop", "--limit", "1"]], ids=["run", "eval"])
def test_what_cannot_be_chosen_gets_one_line(
    verb: list[str], options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert reason in err
