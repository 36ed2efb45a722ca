"""The embedded specialists' networks, built from their configuration alone; training and serving share them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from foveal.tools.quiet import import_ultralytics

Config = Mapping[str, Any]


def build_detector(config: Config) -> Any:
    """An ultralytics `DetectionModel` in evaluation mode, from a model YAML with `nc`, `names` and `scale`."""
    import_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(dict(config), ch=3, nc=len(config["names"]), verbose=False)
    model.names = dict(enumerate(config["names"]))
    return model.eval()


def build_sam(config: Config) -> Any:
    """A `segment_anything` Sam of any size, in evaluation mode, from the fields of segmenter.json."""
    from segment_anything.modeling import Sam

    model = Sam(
        image_encoder=_sam_encoder(config),
        prompt_encoder=_sam_prompts(config),
        mask_decoder=_sam_decoder(config),
        pixel_mean=list(config["pixel_mean"]),
        pixel_std=list(config["pixel_std"]),
    )
    return model.eval()


def build_depth(config: Config) -> Any:
    """A transformers `DepthAnythingForDepthEstimation` in evaluation mode, from `config["model"]`."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    return DepthAnythingForDepthEstimation(DepthAnythingConfig(**config["model"])).eval()


def _sam_encoder(config: Config) -> Any:
    import torch
    from segment_anything.modeling import ImageEncoderViT

    return ImageEncoderViT(
        img_size=config["image_size"],
        patch_size=config["patch_size"],
        embed_dim=config["embed_dim"],
        depth=config["depth"],
        num_heads=config["num_heads"],
        mlp_ratio=config["mlp_ratio"],
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        qkv_bias=True,
        use_rel_pos=True,
        window_size=config["window_size"],
        global_attn_indexes=tuple(config["global_attn_indexes"]),
        out_chans=config["prompt_embed_dim"],
    )


def _sam_prompts(config: Config) -> Any:
    from segment_anything.modeling import PromptEncoder

    size, cells = config["image_size"], config["image_size"] // config["patch_size"]
    return PromptEncoder(
        embed_dim=config["prompt_embed_dim"],
        image_embedding_size=(cells, cells),
        input_image_size=(size, size),
        mask_in_chans=config["mask_in_chans"],
    )


def _sam_decoder(config: Config) -> Any:
    from segment_anything.modeling import MaskDecoder, TwoWayTransformer

    width = config["prompt_embed_dim"]
    transformer = TwoWayTransformer(
        depth=config["decoder_depth"],
        embedding_dim=width,
        mlp_dim=config["decoder_mlp_dim"],
        num_heads=config["decoder_heads"],
    )
    return MaskDecoder(
        num_multimask_outputs=3,
        transformer=transformer,
        transformer_dim=width,
        iou_head_depth=3,
        iou_head_hidden_dim=config["iou_hidden_dim"],
    )
