"""What a second prompt on the same image costs: the embedding is there, so the mask decoder runs alone."""

from collections.abc import Mapping
from functools import partial
from itertools import count
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Object, Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box
from foveal.agent.profiles import embedded_weights
from foveal.agent.regions import grown
from foveal.evals.bench.row import Finding, less_time
from foveal.evals.bench.timing import Sample, timed
from foveal.evals.tabletop import scene
from foveal.tools.base import Mark, Request
from foveal.tools.extras import needs
from foveal.tools.segmenter import Segmenter

EMBEDDED_ROUNDS, BASE_ROUNDS = 15, 3
FIRST, AGAIN = "first prompt", "second prompt"
VIT_B: dict[str, Any] = {
    "image_size": 512, "patch_size": 16, "embed_dim": 768, "depth": 12, "num_heads": 12,
    "mlp_ratio": 4, "window_size": 14, "global_attn_indexes": [2, 5, 8, 11],
    "prompt_embed_dim": 256, "mask_in_chans": 16, "decoder_depth": 2, "decoder_mlp_dim": 2048,
    "decoder_heads": 8, "iou_hidden_dim": 256, "pixel_mean": [123.675, 116.28, 103.53],
    "pixel_std": [58.395, 57.12, 57.375], "prompt": "box",
}  # fmt: skip
"""The smallest SAM that was published, at half its resolution, so that a CPU takes seconds: less to encode."""


def base(rounds: int | None) -> Mapping[str, Finding]:
    """The smallest published SAM, with random weights."""
    from foveal.tools.builders import build_sam

    with needs("segmenter"):
        segmenter = Segmenter(build_sam(VIT_B), VIT_B)
    return {"segment-again": _compared(segmenter, rounds or BASE_ROUNDS)}


def embedded(rounds: int | None) -> Mapping[str, Finding]:
    """The embedded SAM with its own weights, whose encoder is a fortieth of that."""
    segmenter = Segmenter.from_folder(embedded_weights())
    return {"segment-again-embedded": _compared(segmenter, rounds or EMBEDDED_ROUNDS)}


def _compared(segmenter: Segmenter, rounds: int) -> Finding:
    """A fresh scene every round: its first object, then the others, of which the middle one counts."""
    segmenter.warm_up()
    before, first, again = segmenter.encoded, [], []
    for number in range(rounds):
        one, *others = (timed(partial(_asked, segmenter, request)) for request in _scene(number))
        first.append(one())
        again.append(median(other() for other in others))
    if segmenter.encoded != before + rounds:
        raise AssertionError(f"{rounds} scenes, but {segmenter.encoded - before} encoded")
    return less_time({FIRST: Sample(tuple(first)), AGAIN: Sample(tuple(again))}, AGAIN, FIRST)


def _scene(number: int) -> list[Request]:
    """One request for each of its objects, of which there are several, with as much around it as needs no zoom."""
    table = next(one for one in map(scene, count(number * 100)) if len(one.things) > 3)
    height, width = table.depth.shape
    boxes = [
        grown(thing.box, width, height, smallest=max(width, height) // 2) for thing in table.things
    ]
    return [_request(f"scene {number}", table.image, box) for box in boxes]


def _request(name: str, pixels: NDArray[np.uint8], xyxy: tuple[int, int, int, int]) -> Request:
    mark = Mark(Box(image=name, xyxy=xyxy), 1, "thing")
    return Request(Segment(target=Object(index=1)), name, pixels, (mark,))


def _asked(segmenter: Segmenter, request: Request) -> None:
    """Random weights may outline nothing, which takes as long."""
    try:
        segmenter.run([request])
    except SpecialistError as error:
        if "nothing could be outlined" not in str(error):
            raise
