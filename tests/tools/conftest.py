"""Networks of the real classes at toy sizes with random weights, a crew of stand-ins, and the carriers."""

import asyncio
import copy
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Object, Segment
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Box, Detected, Found, Looked, Reencoded, Segmented, View
from foveal.agent.pools import Pool
from foveal.tools.base import Dispatcher, Features, Mark, Picture, Reply, Request
from foveal.tools.catalogue import Crew
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore

SAM = {
    "image_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
    "window_size": 2, "global_attn_indexes": [1], "prompt_embed_dim": 32, "mask_in_chans": 4,
    "decoder_depth": 1, "decoder_mlp_dim": 32, "decoder_heads": 2, "iou_hidden_dim": 16,
    "pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375], "prompt": "box",
}  # fmt: skip
DEPTH = {
    "image_size": 56, "polarity": "near_high", "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "model": {
        "backbone_config": {
            "model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 4,
            "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56, "patch_size": 14,
            "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False,
        },
        "patch_size": 14, "reassemble_hidden_size": 32, "reassemble_factors": [4, 2, 1, 0.5],
        "neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "head_hidden_size": 8,
        "depth_estimation_type": "metric", "max_depth": 1,
    },
}  # fmt: skip
VISION: dict[str, Any] = {
    "depth": 2, "embed_dim": 32, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
SHAPES = ("cube", "sphere", "cylinder", "cone", "pyramid", "sign")
NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]


def yolo() -> dict[str, Any]:
    """Ultralytics' own YOLO11 YAML, an eighth as wide as the smallest, sure of everything it sees."""
    from foveal.tools.quiet import import_ultralytics

    import_ultralytics()
    import ultralytics

    path = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    config |= {"nc": len(NAMES), "names": NAMES, "image_size": 64, "conf": 0.0001, "iou": 0.5}
    return {**config, "scale": "n", "scales": {"n": [0.33, 0.0625, 256]}}


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder as training writes it."""
    import torch

    from foveal.agent.weights import save_state
    from foveal.tools.builders import build_depth, build_detector, build_sam

    folder = tmp_path_factory.mktemp("weights")
    detector = yolo()
    (folder / "detector.yaml").write_text(yaml.safe_dump(detector), encoding="utf-8")
    (folder / "segmenter.json").write_text(json.dumps(SAM), encoding="utf-8")
    (folder / "depth.json").write_text(json.dumps(DEPTH), encoding="utf-8")
    torch.manual_seed(0)
    save_state(
        build_detector(copy.deepcopy(detector)).state_dict(), folder / "detector.safetensors"
    )
    save_state(build_sam(SAM).state_dict(), folder / "segmenter.safetensors")
    save_state(build_depth(DEPTH).state_dict(), folder / "depth.safetensors")
    write_tower(folder)
    return folder


def write_tower(folder: Path) -> None:
    """The part of a Qwen2-VL that the encoder reads."""
    from transformers import Qwen2VLConfig
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    from foveal.agent.weights import save_state

    Qwen2VLConfig(vision_config=VISION).save_pretrained(folder)
    tower = Qwen2VisionTransformerPretrainedModel(Qwen2VLVisionConfig(**VISION))
    state = tower.state_dict()
    save_state({f"model.visual.{k}": v for k, v in state.items()}, folder / "model.safetensors")


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    """Something with edges: (60, 90, 3), never the same twice in a row."""
    values = np.random.default_rng(7).integers(0, 256, (60, 90, 3), np.uint8)
    values[20:40, 30:60] = (200, 30, 30)
    return values


WIDE = 40_000
"""An image of this width, and of height 4, has large features: all of its pixels."""


class StandIn:
    """A specialist whose behaviour the phrase decides; reports what it was sent, and how many at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Dark pixels are the background, light ones the object."""
        self.calls += 1
        if any(isinstance(r.action, Detect) and r.action.phrase == "nothing back" for r in batch):
            return []
        return [self._reply(request) for request in batch]

    def _reply(self, request: Request) -> Reply:
        match request.action.kind:
            case "detect":
                return Reply(self._detected(request))
            case "segment":
                return self._segmented(request)
            case _:
                return self._seen(request)

    def _detected(self, request: Request) -> Detected:
        assert isinstance(request.action, Detect)
        phrase = request.action.phrase
        misbehave(phrase)
        mean = float(request.pixels.mean())
        box = Box(image=request.image, xyxy=(0, 0, request.pixels.shape[1], 1))
        found = Found(label=f"call {self.calls} in {os.getpid()}", box=box, score=mean)
        return Detected(phrase=phrase, objects=(found,))

    def _segmented(self, request: Request) -> Reply:
        mark, mask = request.marks[0], request.pixels[:, :, 0] > 100
        found = Segmented(box=mark.box, area=1, share=1, centroid=(0, 0), index=mark.index)
        picture = Picture("mask", request.pixels[:8, :8].copy(), mark.box)
        return Reply(found, mask, (picture, picture))

    def _seen(self, request: Request) -> Reply:
        height, width = request.pixels.shape[:2]
        whole = Box(image=request.image, xyxy=(0, 0, width, height))
        view = View(role="whole", pixels=whole, source=whole)
        tokens = request.pixels.reshape(4, -1) if width == WIDE else request.pixels[0, :4]
        values = tokens.astype(np.float32)
        seen = Looked(views=(view,)) if request.marks else Reencoded(encoder="clip", views=(view,))
        return Reply(seen, features=(Features(values, (1, 4, 4)),))


def misbehave(phrase: str) -> None:
    """Fail in the way the phrase names."""
    if phrase == "told":
        raise SpecialistError("detector", "no such thing here")
    if phrase == "setup":
        raise SetupError("weights are damaged", "reinstall")
    if phrase == "foreign":
        raise ZeroDivisionError("several\nlines")
    if phrase == "exit":
        raise SystemExit(3)
    if phrase.startswith("wait for "):
        gate = Path(phrase.removeprefix("wait for "))
        while not gate.exists():
            time.sleep(0.01)
    if phrase.startswith("touch "):
        Path(phrase.removeprefix("touch ")).touch()
    if phrase == "slowly":
        time.sleep(0.05)
    if phrase == "die":
        os._exit(1)
    if phrase.startswith("die once "):
        mark = Path(phrase.removeprefix("die once "))
        if not mark.exists():
            mark.touch()
            os._exit(1)


def broken(name: str) -> StandIn:
    """A factory that fails."""
    raise OSError(f"{name} has no disk")


STAND_INS: Crew = {
    "detector": partial(StandIn, "detector"),
    "segmenter": partial(StandIn, "segmenter"),
    "encoder": partial(StandIn, "encoder"),
    "reader": partial(broken, "reader"),
}

Open = Callable[..., Dispatcher]


@pytest.fixture
def stand_ins() -> Crew:
    """Detector, segmenter and encoder behave as told, the reader cannot be loaded, there is no depth."""
    return STAND_INS


@pytest.fixture
def store() -> ImageStore:
    return ImageStore()


class Grounds:
    """At most one Ray at a time: one that a dispatcher started here, or two raylets on this machine."""

    def __init__(self) -> None:
        self.cluster: Any = None
        """The two raylets, while this process is connected to them."""
        self._end: Callable[[], None] | None = None
        self._kind = ""

    def at(self, kind: str) -> "Grounds":
        """Be connected to this kind."""
        import ray

        if kind != self._kind:
            self.leave()
            ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
            self._end = self._local() if kind == "ray" else self._two()
            self._kind = kind
        return self

    def leave(self) -> None:
        """Stop whatever runs."""
        import ray

        if self._end is not None:
            self._end()
            assert not ray.is_initialized()
        self._end, self._kind = None, ""

    def _local(self) -> Callable[[], None]:
        owner, image = RayDispatcher(own := ImageStore(), STAND_INS), np.zeros((4, 4, 3), np.uint8)
        asyncio.run(owner.dispatch(Detect(phrase="anything"), own.put(image)))
        return lambda: asyncio.run(owner.close())

    def _two(self) -> Callable[[], None]:
        import ray
        from ray.cluster_utils import Cluster

        size = {"num_cpus": 2, "object_store_memory": 80 * 2**20}
        self.cluster = Cluster(
            initialize_head=True, head_node_args={**size, "include_dashboard": False}
        )
        self.cluster.add_node(**size)
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        return self._two_over

    def _two_over(self) -> None:
        import ray

        ray.shutdown()
        self.cluster.shutdown()
        self.cluster = None


@pytest.fixture(scope="session")
def grounds() -> Iterator[Grounds]:
    """The Ray of this test session."""
    one = Grounds()
    yield one
    one.leave()


@pytest.fixture
def local_ray(grounds: Grounds) -> Grounds:
    """Connected to a Ray that was started here."""
    return grounds.at("ray")


@pytest.fixture
def two_raylets(grounds: Grounds) -> Any:
    """Connected to a cluster of two raylets, each of two processors."""
    return grounds.at("cluster").cluster


@pytest.fixture(
    scope="session",
    params=[
        "inline",
        pytest.param("ray", marks=pytest.mark.ray),
        pytest.param("cluster", marks=pytest.mark.ray),
    ],
)
def carrier(request: pytest.FixtureRequest) -> str:
    """In this process, on Ray, on a cluster. Of the session, so that the tests of one carrier run together."""
    return str(request.param)


@pytest.fixture
def open_dispatcher(carrier: str, grounds: Grounds, store: ImageStore) -> Iterator[Open]:
    """Opens a dispatcher for a crew, on any carrier, and closes it after the test."""
    opened: list[Dispatcher] = []
    if carrier != "inline":
        grounds.at(carrier)

    def open_(crew: Crew) -> Dispatcher:
        if carrier == "inline":
            opened.append(InlineDispatcher(store, crew))
        else:
            spread = Pool(replicas=len(PLACES[carrier]), placement="spread")
            opened.append(RayDispatcher(store, crew, pools=dict.fromkeys(crew, spread)))
        return opened[-1]

    yield open_
    for dispatcher in opened:
        asyncio.run(dispatcher.close())


PLACES = {"ray": ("here",), "cluster": ("here", "there")}
"""Carrier to the nodes that each get a replica."""


@pytest.fixture
def dispatcher(open_dispatcher: Open, stand_ins: Crew) -> Dispatcher:
    """Any carrier with the stand-ins."""
    return open_dispatcher(stand_ins)


@pytest.fixture
def segment() -> Segment:
    return Segment(target=Object(index=1))


def mark(image: str, xyxy: tuple[float, float, float, float] = (30, 20, 60, 40)) -> Mark:
    return Mark(Box(image=image, xyxy=xyxy), index=1, label="red cube")


@pytest.fixture
def mark_on() -> Callable[..., Mark]:
    """A mark on an image by hash."""
    return mark
