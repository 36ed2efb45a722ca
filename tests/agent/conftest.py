"""A Qwen2-VL of the real class at toy size, with a tokenizer of bytes and perception tokens."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from foveal.agent.grammar import PERCEPTION_TOKENS

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
        "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")  # fmt: skip
IMAGE = "a" * 64
SIZE = (120, 90)


class Shelf:
    """A store with one picture, and arrays put there by the test."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        width, height = SIZE
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3))
        self.picture = noise.astype(np.uint8)

    def pixels(self, image: str) -> NDArray[np.uint8]:
        assert image == IMAGE
        return self.picture

    def array(self, key: str) -> NDArray[Any]:
        return self.arrays[key]


@pytest.fixture
def shelf() -> Shelf:
    """A fresh store with one noisy picture of SIZE under the hash IMAGE."""
    return Shelf()


def byte_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(CHAT))
    tokenizer.add_tokens(list(PERCEPTION_TOKENS))
    return tokenizer


def tiny_config(tokenizer: Any) -> dict[str, Any]:
    token = tokenizer.token_to_id
    return {
        "text_config": {
            "vocab_size": 384, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "tie_word_embeddings": True, "eos_token_id": token("<|im_end|>"), "bos_token_id": None,
            "pad_token_id": token("<|endoftext|>"),
        },
        "vision_config": {
            "depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        "image_token_id": token("<|image_pad|>"), "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"), "vision_end_token_id": token("<|vision_end|>"),
        "tie_word_embeddings": True,
    }  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of a released model."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    from foveal.agent.weights import save_state

    made = tmp_path_factory.mktemp("native")
    tokenizer = byte_tokenizer()
    tokenizer.save(str(made / "tokenizer.json"))
    config = tiny_config(tokenizer)
    (made / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (made / "preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}}),
        encoding="utf-8",
    )
    torch.manual_seed(0)
    network = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config))
    for parameter in network.parameters():  # large enough that logits differ clearly
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.05)
    save_state({k: v for k, v in network.state_dict().items() if k != "lm_head.weight"}
               | {"lm_head.weight": network.lm_head.weight}, made / "model.safetensors")  # fmt: skip
    return made


@pytest.fixture(scope="session")
def native(folder: Path) -> Any:
    """The model in that folder."""
    from foveal.agent.dialogue import Foveal
    from foveal.agent.native.model import NativeModel

    return NativeModel.from_folder(folder, Foveal("tools: {tools}"))


class Waits(list[float]):
    """How long was waited between requests; nobody really waits."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def remote(server: Any, waits: Waits) -> AsyncIterator[Callable[..., Any]]:
    """Makes models behind the loopback server, which are let go of at the end."""
    from foveal.agent.openai.model import OpenAIModel
    from foveal.agent.openai.patience import Patience

    made: list[OpenAIModel] = []

    def make(base_url: str = "", model: str = "tiny", **options: Any) -> OpenAIModel:
        patience = Patience(sleep=waits)
        made.append(OpenAIModel(base_url or server.url, model, patience=patience, **options))
        return made[-1]

    yield make
    for model in made:
        await model.aclose()


@pytest.fixture(scope="session")
def chat(chat_folder: Callable[..., Path]) -> Callable[..., Any]:
    """Vision chat models by family, tiny and random; each is loaded once."""
    from foveal.agent.chat.model import ChatModel

    made: dict[tuple[str, bool], ChatModel] = {}

    def model(family: str, eager: bool = False) -> ChatModel:
        if (family, eager) not in made:
            made[family, eager] = ChatModel.from_folder(chat_folder(family, eager))
        return made[family, eager]

    return model


@pytest.fixture(scope="session")
def pieces() -> Any:
    """The other kind of tokenizer, as of Llama 2: words begin with "▁", and bytes stand for what it never met."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    lines = [
        "look <|look_start|>[120, 45]<|look_end|> at two red cubes",
        "<|read_start|><|read_end|>",
    ]
    bytes_of = [f"<0x{number:02X}>" for number in range(256)]
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    special = ["<unk>", "<s>", "</s>", *bytes_of]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False, max_token_length=6
    )
    made.train_from_iterator(lines * 4, trainer)
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    described = json.loads(made.to_str())
    described["added_tokens"] = [
        token for token in described["added_tokens"] if token["content"] not in bytes_of
    ]
    made = Tokenizer.from_str(json.dumps(described))
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", unk_token="<unk>")
