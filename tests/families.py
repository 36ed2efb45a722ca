"""Tiny random checkpoints of the vision chat families, in the layout of the Hub; built here, not downloaded.

Each has its family's own classes and special tokens, and a chat template that is written as the family's is; the
tokenizer is trained on a few lines.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN = (
    *CHATML,
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
INTERN = (*CHATML, "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
LLAVA = (*CHATML, "<image>", "<video>")
TILES = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
SMOL = (
    *CHATML,
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *TILES,
)

QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INTERN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<IMG_CONTEXT>\n{% elif part['type'] == 'text' %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Pictures before words, and a space after a role in the history that the prompt for the next turn has not.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + part['text'] }}"
    "{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SMOL_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

LINES = (
    "look closer: <|look_start|>[120, 45, 310, 400]<|look_end|> or <|look_start|><|obj_1|><|look_end|>",
    "<|detect_start|>red cube<|detect_end|><|read_start|><|read_end|><|depth_start|><|depth_end|>",
    "<|segment_start|><|obj_2|><|segment_end|>",
    "How many red cubes are there? There are two red cubes; the nearer one is larger.",
)


def tokenizer(special: tuple[str, ...], end: str, **named: str) -> Any:
    """Byte-level BPE with some merges, so that tokens span the borders of what the grammar tells apart."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, show_progress=False, max_token_length=6
    )
    made.train_from_iterator(LINES * 4, trainer)
    made.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=end,
        pad_token="<|endoftext|>",
        extra_special_tokens=named or None,
    )


def text(made: Any, kind: str, **more: Any) -> dict[str, Any]:
    """A text model of three layers."""
    return {
        "model_type": kind, "vocab_size": len(made) + 5, "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 8192, "eos_token_id": made.eos_token_id, "bos_token_id": None,
        "pad_token_id": made.pad_token_id,
        "tie_word_embeddings": False, **more,
    }  # fmt: skip


def rope(**more: Any) -> dict[str, Any]:
    return {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [2, 3, 3],
            **more,
        }
    }


def qwen(kind: str) -> Any:
    """Qwen2-VL, Qwen2.5-VL or Qwen3-VL: configuration and processor."""
    from transformers import (
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    made = tokenizer(QWEN, "<|im_end|>")
    third = kind == "qwen3_vl"
    patch = 16 if third else 14
    vision: dict[str, dict[str, Any]] = {
        "qwen2_vl": {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2},
        "qwen2_5_vl": {"hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 48, "window_size": 56,
                       "fullatt_block_indexes": [1]},
        "qwen3_vl": {"hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 48,
                     "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16},
    }  # fmt: skip
    words = text(made, f"{kind}_text", **(rope(mrope_interleaved=True) if third else rope()))
    if third:
        words["head_dim"] = 16
    token = made.convert_tokens_to_ids
    config = {
        "model_type": kind, "text_config": words,
        "vision_config": {"model_type": f"{kind}_vision" if third else kind, "depth": 2, "num_heads": 2,
                          "patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2} | vision[kind],
        "image_token_id": token("<|image_pad|>"), "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"), "vision_end_token_id": token("<|vision_end|>"),
        "tie_word_embeddings": False,
    }  # fmt: skip
    size = {"shortest_edge": (2 * patch) ** 2, "longest_edge": (8 * patch) ** 2}
    images = Qwen2VLImageProcessor(size=size, patch_size=patch)
    video = (Qwen3VLVideoProcessor if third else Qwen2VLVideoProcessor)()
    classes: dict[str, Any] = {
        "qwen2_vl": Qwen2VLProcessor,
        "qwen2_5_vl": Qwen2_5_VLProcessor,
        "qwen3_vl": Qwen3VLProcessor,
    }
    return config, classes[kind](images, made, video, chat_template=QWEN_TEMPLATE)


def internvl() -> Any:
    from transformers import GotOcr2ImageProcessor, InternVLProcessor, InternVLVideoProcessor

    made = tokenizer(INTERN, "<|im_end|>", context_image_token="<IMG_CONTEXT>", start_image_token="<img>",
                     end_image_token="</img>", video_token="<video>")  # fmt: skip
    config = {
        "model_type": "internvl", "text_config": text(made, "qwen2"),
        "vision_config": {"model_type": "internvl_vision", "hidden_size": 32, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "intermediate_size": 48, "image_size": [28, 28],
                          "patch_size": [7, 7]},
        "image_token_id": made.convert_tokens_to_ids("<IMG_CONTEXT>"), "image_seq_length": 4,
        "tie_word_embeddings": False,
    }  # fmt: skip
    images = GotOcr2ImageProcessor(
        size={"height": 28, "width": 28}, crop_to_patches=True, max_patches=6
    )
    video = InternVLVideoProcessor(size={"height": 28, "width": 28})
    return config, InternVLProcessor(
        images, made, video, image_seq_length=4, chat_template=INTERN_TEMPLATE
    )


def llava_onevision() -> Any:
    from transformers import (
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    made = tokenizer(LLAVA, "<|im_end|>", image_token="<image>", video_token="<video>")
    pinpoints = [[28 * rows, 28 * columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
    token = made.convert_tokens_to_ids
    config = {
        "model_type": "llava_onevision", "text_config": text(made, "qwen2"),
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 32, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "intermediate_size": 48, "image_size": 28, "patch_size": 7,
                          "vision_use_head": False},
        "image_token_index": token("<image>"), "video_token_index": token("<video>"),
        "image_grid_pinpoints": pinpoints, "vision_feature_select_strategy": "full", "vision_feature_layer": -1,
        "tie_word_embeddings": False,
    }  # fmt: skip
    size = {"height": 28, "width": 28}
    images = LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=pinpoints)
    return config, LlavaOnevisionProcessor(
        images, made, LlavaOnevisionVideoProcessor(size=size), num_image_tokens=16,
        vision_feature_select_strategy="full", chat_template=LLAVA_TEMPLATE,
    )  # fmt: skip


def smolvlm() -> Any:
    from transformers import SmolVLMImageProcessor, SmolVLMProcessor, SmolVLMVideoProcessor

    made = tokenizer(SMOL, "<end_of_utterance>", image_token="<image>", global_image_token="<global-img>",
                     fake_image_token="<fake_token_around_image>",
                     end_of_utterance_token="<end_of_utterance>")  # fmt: skip
    made.bos_token = "<|im_start|>"
    words = text(made, "llama", bos_token_id=made.convert_tokens_to_ids("<|im_start|>"))
    config = {
        "model_type": "smolvlm", "text_config": words,
        "vision_config": {"model_type": "smolvlm_vision", "hidden_size": 32, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "intermediate_size": 48, "image_size": 32, "patch_size": 8},
        "image_token_id": made.convert_tokens_to_ids("<image>"), "scale_factor": 2,
        "tie_word_embeddings": False, "pad_token_id": made.pad_token_id,
    }  # fmt: skip
    images = SmolVLMImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    video = SmolVLMVideoProcessor(size={"longest_edge": 32}, max_image_size={"longest_edge": 32})
    return config, SmolVLMProcessor(
        images, made, video, image_seq_len=4, chat_template=SMOL_TEMPLATE
    )


def llava() -> Any:
    """LLaVA-1.5, of which nothing is known here: how a model without an adapter looks."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    made = tokenizer(LLAVA, "<|im_end|>", image_token="<image>")
    config = {
        "model_type": "llava", "text_config": text(made, "llama"),
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 32, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "intermediate_size": 48, "image_size": 28, "patch_size": 7,
                          "projection_dim": 32},
        "image_token_index": made.convert_tokens_to_ids("<image>"), "image_seq_length": 16,
        "vision_feature_layer": -1, "vision_feature_select_strategy": "default", "tie_word_embeddings": False,
    }  # fmt: skip
    size = {"height": 28, "width": 28}
    images = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=size)
    return config, LlavaProcessor(
        images, made, patch_size=7, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=INTERN_TEMPLATE.replace("<IMG_CONTEXT>", "<image>"),
    )  # fmt: skip


FAMILIES: dict[str, Callable[[], Any]] = {
    "qwen2_vl": lambda: qwen("qwen2_vl"),
    "qwen2_5_vl": lambda: qwen("qwen2_5_vl"),
    "qwen3_vl": lambda: qwen("qwen3_vl"),
    "internvl": internvl,
    "llava_onevision": llava_onevision,
    "smolvlm": smolvlm,
    "llava": llava,
}


def make(family: str, folder: Path, eager: bool = False) -> None:
    """Write the checkpoint. An `eager` one begins an action where it may, and ends its turn as soon as it may."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    config, processor = FAMILIES[family]()
    processor.save_pretrained(folder)
    made = processor.tokenizer
    torch.manual_seed(0)
    kind = config.pop("model_type")
    network = AutoModelForImageTextToText.from_config(AutoConfig.for_model(kind, **config))
    for (
        name,
        parameter,
    ) in network.named_parameters():  # large enough to tell one place from another
        level = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        torch.nn.init.normal_(
            parameter, level, std=0.3 if parameter.ndim > 1 and not eager else 0.05
        )
    if eager:
        prefer(network, {made.convert_tokens_to_ids("<|"): 40.0, made.eos_token_id: 80.0})
    network.generation_config = GenerationConfig(
        eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id
    )
    network.save_pretrained(folder)


def prefer(network: Any, tokens: dict[int, float]) -> None:
    """Give tokens about these logits wherever they may stand, by what all states of the network have in common."""
    import torch

    embed, words = network.get_input_embeddings(), network.get_decoder()
    with torch.no_grad():
        embed.weight += 8 * torch.nn.functional.normalize(torch.randn(64), dim=0)
        states = words(inputs_embeds=embed.weight[None]).last_hidden_state[0]
        common = states.mean(0)
        for token, logit in tokens.items():
            network.lm_head.weight[token] = logit * common / (common @ common)
