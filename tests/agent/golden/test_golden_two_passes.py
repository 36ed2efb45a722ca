"""The published procedure, written down plainly: one whole pass for the control state, the next for the answer.

The paper's outputs are there for two variants. This stands for them with the third, and in conversations of
several rounds, which its code cannot have; that it is the same procedure is tested on the two.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foveal.agent.actions import Action, Encoder, Look, Reencode, Region
from foveal.agent.checkpoint.building import build
from foveal.agent.grammar import render
from foveal.agent.observations import Box, Looked, Observation, Reencoded, View, VisualTokens
from foveal.agent.transcript import Asked, Observed
from foveal.agent.vision import VisionEncoder

LOGITS = 1e-3
STEPS = 12
SIZE = (160, 120)
OPEN, CLOSE = "<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|>{image}<|vision_end|>\nWhat is red?\n"
    "Require additional perception features, and then answer the question.<|im_end|>\n"
    "<|im_start|>assistant\n"
)


class TwoPasses:
    """A checkpoint run as the paper's code runs it, without a cache."""

    def __init__(self, folder: Path, variant: Encoder) -> None:
        built = build(folder)
        self._network, self._tokenizer = built.network, built.tokenizer
        self._variant: Encoder = variant
        self._weights: dict[str, Tensor] = built.projectors[variant].state_dict()

    def id(self, token: str) -> int:
        return int(self._tokenizer.convert_tokens_to_ids(token))

    def ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def logits(
        self,
        ids: Sequence[int],
        pictures: Sequence[tuple[NDArray[Any], tuple[int, int, int]]],
        features: Sequence[NDArray[Any]],
    ) -> NDArray[np.float32]:
        """(tokens, vocabulary). `pictures` are merged tokens with their grids, `features` what is re-encoded.

        One pass more than there are control tokens: by causality the nth state is right after n passes.
        """
        line = torch.tensor(ids)
        controls = (line == self.id(f"<|{self._variant}_action|>")).nonzero()[:, 0].tolist()
        states: list[Tensor | None] = [None] * len(controls)
        with torch.inference_mode():
            for _ in range(len(controls) + 1):
                embeds = self._embeds(line, pictures, features, controls, states)
                hidden = self._network.model.language_model(
                    inputs_embeds=embeds[None], position_ids=self._positions(ids, pictures)
                ).last_hidden_state[0]
                states = [hidden[at - 1] for at in controls]
            return np.asarray(self._network.lm_head(hidden))

    def greedy(
        self, ids: list[int], pictures: Any, features: Any, words: Sequence[int]
    ) -> list[int]:
        """The likeliest words, one whole procedure each."""
        told: list[int] = []
        for _ in range(STEPS):
            last = self.logits([*ids, *told], pictures, features)[-1]
            told.append(int(words[int(last[list(words)].argmax())]))
        return told

    def _embeds(
        self, line: Tensor, pictures: Any, features: Any, controls: list[int], states: Any
    ) -> Tensor:
        embeds: Tensor = self._network.get_input_embeddings()(line)
        embeds[line == self.id("<|image_pad|>")] = torch.cat(
            [torch.tensor(values) for values, _ in pictures]
        )
        if not features:
            return embeds
        again = [
            self._tokens(torch.tensor(one), h) for one, h in zip(features, states, strict=True)
        ]
        embeds[line == self.id(f"<|{self._variant}_image_pad|>")] = torch.cat(again)
        for at, h in zip(controls, states, strict=True):
            if h is not None:
                embeds[at] = h
        return embeds

    def _tokens(self, features: Tensor, h: Tensor | None) -> Tensor:
        """u, and with h: u + (u . c) c."""
        u = self._projected(features)
        if h is None:
            return u
        c = functional.linear(
            functional.layer_norm(
                h, h.shape, self._weights["layernorm_condition.weight"], self._weights["layernorm_condition.bias"]
            ),
            self._weights["linear_condition.weight"],
            self._weights["linear_condition.bias"],
        )  # fmt: skip
        return torch.stack([one + torch.dot(one, c) * c for one in u])

    def _projected(self, features: Tensor) -> Tensor:
        weights = self._weights
        if self._variant == "clip":
            return features
        width = len(weights["layernorm_feature.weight"])
        norm = (weights["layernorm_feature.weight"], weights["layernorm_feature.bias"])
        if self._variant == "detection":
            normed = functional.layer_norm(features, (width,), *norm)
            return normed @ weights["linear_feature.weight"].T + weights["linear_feature.bias"]
        last = functional.layer_norm(features.permute(1, 2, 0), (width,), *norm)
        # The convolution's strides do not overlap: it is a product with every 4 x 4 block.
        blocks = last.reshape(16, 4, 16, 4, width).permute(0, 2, 4, 1, 3).reshape(256, -1)
        return blocks @ weights["conv_feature.weight"].flatten(1).T + weights["conv_feature.bias"]

    def _positions(self, ids: Sequence[int], pictures: Any) -> Tensor:
        """(3, 1, tokens): a picture counts in two dimensions, all else in line, re-encoded pictures too."""
        grids = iter([grid for _, grid in pictures])
        axes: list[tuple[int, int, int]] = []
        start, pad = 0, self.id("<|image_pad|>")
        while len(axes) < len(ids):
            if ids[len(axes)] != pad:
                axes.append((start, start, start))
                start += 1
                continue
            _, rows, columns = next(grids)
            axes += [
                (start, start + y, start + x) for y in range(rows // 2) for x in range(columns // 2)
            ]
            start += max(rows, columns) // 2
        return torch.tensor(axes).T[:, None]


def pads(token: str, count: int) -> str:
    return f"<|vision_start|>{token * count}<|vision_end|>"


def prompt(variant: Encoder, counts: Sequence[int], actions: Sequence[Action]) -> str:
    """`counts` are the tokens of the first picture and of every answer to an action."""
    text = PROMPT.format(image="<|image_pad|>" * counts[0])
    for action, count in zip(actions, counts[1:], strict=True):
        token = f"<|{variant}_image_pad|>" if isinstance(action, Reencode) else "<|image_pad|>"
        text += f"{render(action)}{OPEN}{pads(token, count)}{CLOSE}"
    return text


@pytest.mark.parametrize("variant", ["clip", "detection"])
def test_golden_outputs_are_those_of_the_procedure(
    variant: Encoder, golden: Any, data: Path, desk: Any
) -> None:
    arrays = golden(variant)
    oracle = TwoPasses(data / variant, variant)
    seen = VisionEncoder.from_folder(data / variant).encode(desk.pixels("0" * 64))
    features = seen.values if variant == "clip" else desk.array("0 detection")
    ids = oracle.ids(
        prompt(variant, [24, 24 if variant == "clip" else 256], [Reencode(encoder=variant)])
    )
    assert ids == arrays["round2.input_ids"][0].tolist()
    logits = oracle.logits(ids, [(seen.values, seen.grid)], [features])
    assert np.abs(logits[:, ::4] - arrays["round2.logits"][0]).max() < LOGITS
    on = oracle.greedy(ids, [(seen.values, seen.grid)], [features], range(256))
    assert on == arrays["round2.gen_ids"][0].tolist()


AGAIN = Reencode(encoder="seg")
CLOSER = Look(target=Region(x0=1, y0=1, x1=3, y1=4))
ROUNDS: list[list[Action]] = [
    [],
    [AGAIN],
    [CLOSER],
    [AGAIN, CLOSER],
    [CLOSER, AGAIN],
    [AGAIN, AGAIN],
]


def observed(action: Action) -> Observed:
    box = Box(image="0" * 64, xyxy=(0, 0, 100, 90) if action is CLOSER else (0, 0, *SIZE))
    view = View(role="crop", pixels=box, source=box)
    if action is CLOSER:
        seen: Observation = Looked(views=(view,))
    else:
        tokens = VisualTokens(key="0 seg", grid=(1, 32, 32))
        seen = Reencoded(encoder="seg", views=(view.model_copy(update={"tokens": tokens}),))
    return Observed(action=action, observation=seen)


@pytest.mark.parametrize(
    "actions", ROUNDS, ids=lambda actions: "+".join(a.kind for a in actions) or "asked"
)
async def test_golden_procedure_for_seg_and_several_rounds(
    actions: list[Action], seg_checkpoint: Path, paper: Any, desk: Any, tape: Any, steer: Any
) -> None:
    """One growing cache, through the public protocol, against whole passes over the whole conversation."""
    model, oracle = paper(seg_checkpoint), TwoPasses(seg_checkpoint, "seg")
    asked = Asked(image="0" * 64, size=SIZE, question="What is red?", tools=("look", "reencode"))
    session = await model.open([asked], desk)
    for action in actions:
        steer([*model.ids(render(action)), model.vocabulary.end])
        assert (await session.act(("look", "reencode"), STEPS)).actions == (action,)
        await session.observe([observed(action)])
    whole, crop = (model.vision.encode(desk.pixels("0" * 64)[:y, :x]) for x, y in (SIZE, (100, 90)))
    pictures = [(one.values, one.grid) for one in [whole, *[crop for a in actions if a is CLOSER]]]
    features = [desk.array("0 seg") for action in actions if action is AGAIN]
    counts = [24, *[12 if action is CLOSER else 256 for action in actions]]
    ids = oracle.ids(prompt("seg", counts, actions))
    theirs = oracle.logits(ids, pictures, features)
    ours = tape(session).logits(model.network)
    assert session.usage.prefilled + session.usage.emitted == len(ids)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < LOGITS
    turn = await session.act((), STEPS)
    assert list(turn.tokens) == oracle.greedy(ids, pictures, features, range(256))
