"""Segment: Segment Anything, which encodes an image once and is then prompted as often as needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Segmented
from foveal.agent.vision import Encoded
from foveal.agent.weights import load_config, load_into
from foveal.tools.base import Mark, Picture, Reply, Request
from foveal.tools.builders import build_sam
from foveal.tools.cache import ByteLRU
from foveal.tools.extras import needs
from foveal.tools.zoom import Window, window_of

CACHE = 256 * 2**20
"""Bytes of image embeddings remembered."""
GREY = 128
"""What the masked crop shows outside the mask."""
MARGIN = 4
"""Pixels around the mask in its crop."""

Key = tuple[str, Window]
"""Image, and the part of it that is encoded."""


class Segmenter:
    """Outlines what is in a box."""

    def __init__(
        self, model: Any, config: dict[str, Any], device: str = "cpu", draws: bool = True
    ) -> None:
        """`draws`: whether to hand out the masked crop, for models that were trained to see it."""
        from segment_anything.utils.transforms import ResizeLongestSide

        self._model, self._prompt = model.to(device), config.get("prompt", "box")
        self._draws, self._zoom = draws, float(config.get("zoom", 0))
        self._resize = ResizeLongestSide(model.image_encoder.img_size)
        self._embeddings: ByteLRU[Any] = ByteLRU(CACHE)
        self.encoded = 0
        """Images encoded so far."""

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu", draws: bool = True) -> "Segmenter":
        """From segmenter.json and segmenter.safetensors."""
        with needs("segmenter"):
            config = load_config(folder / "segmenter.json")
            model = load_into(build_sam(config), folder / "segmenter.safetensors")
            return cls(model, config, device, draws)

    def warm_up(self) -> None:
        """Encode and prompt once on a black image."""
        pixels = np.zeros((64, 64, 3), np.uint8)
        self._mask(self._encode([pixels])[0], pixels, (0.0, 0.0, 64.0, 64.0))

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """One mask per request, perhaps with its masked crop."""
        parts = [_Part.of(request, self._zoom) for request in batch]
        embeddings = self._embedded({part.key: part.pixels for part in parts})
        return [
            self._reply(one, part, embeddings[part.key])
            for one, part in zip(batch, parts, strict=True)
        ]

    def encode_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        """Its image encoder as a re-encoder: (channels, rows, columns) of the square that holds a picture."""
        return [self._features(embedding) for embedding in self._encode(pictures)]

    def _features(self, embedding: Any) -> Encoded:
        values = embedding[0].float().cpu().numpy().copy()
        # One token for every 4 x 4 cells; a grid counts patches before they are merged.
        return Encoded(values, (1, values.shape[1] // 2, values.shape[2] // 2))

    def _embedded(self, images: Mapping[Key, NDArray[np.uint8]]) -> dict[Key, Any]:
        """Each part's embedding, remembered or computed now."""
        known = {image: self._embeddings.get(image) for image in images}
        fresh = [image for image, embedding in known.items() if embedding is None]
        now = dict(zip(fresh, self._encode([images[image] for image in fresh]), strict=True))
        for image, embedding in now.items():
            self._embeddings.put(image, embedding, embedding.nbytes)
        return known | now

    def _reply(self, request: Request, part: "_Part", embedding: Any) -> Reply:
        mark = request.marks[0]
        mask = part.placed(self._mask(embedding, part.pixels, part.box), request.pixels.shape[:2])
        if not mask.any():
            raise SpecialistError("segmenter", "nothing could be outlined there")
        pictures = (_crop(mask, request),) if self._draws else ()
        return Reply(_measured(mask, mark, request.image), mask, pictures)

    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> list[Any]:
        """One (1, channels, rows, columns) embedding per image."""
        if not images:
            return []
        import torch

        self.encoded += len(images)
        with torch.inference_mode():
            inputs = torch.stack([self._model.preprocess(self._tensor(image)) for image in images])
            return list(self._model.image_encoder(inputs).split(1))

    def _tensor(self, image: NDArray[np.uint8]) -> Any:
        import torch

        resized = torch.as_tensor(self._resize.apply_image(image), device=self._model.device)
        return resized.permute(2, 0, 1).contiguous()

    def _mask(
        self, embedding: Any, image: NDArray[np.uint8], xyxy: tuple[float, float, float, float]
    ) -> NDArray[np.bool_]:
        """(height, width) of the image."""
        import torch

        size = image.shape[:2]
        with torch.inference_mode():
            sparse, dense = self._model.prompt_encoder(masks=None, **self._prompts(xyxy, size))
            low, _ = self._model.mask_decoder(
                image_embeddings=embedding,
                image_pe=self._model.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            logits = self._model.postprocess_masks(low, self._resized_size(size), size)
        mask: NDArray[np.bool_] = (logits[0, 0] > self._model.mask_threshold).cpu().numpy()
        return mask

    def _prompts(self, xyxy: tuple[float, ...], size: tuple[int, int]) -> dict[str, Any]:
        import torch

        x0, y0, x1, y1 = self._resize.apply_boxes(np.array([xyxy]), size)[0].tolist()
        device = self._model.device
        box = torch.tensor([[x0, y0, x1, y1]], device=device)
        middle = torch.tensor([[[(x0 + x1) / 2, (y0 + y1) / 2]]], device=device)
        points = (middle, torch.ones((1, 1), dtype=torch.int, device=device))
        return {
            "boxes": box if "box" in self._prompt else None,
            "points": points if "point" in self._prompt else None,
        }

    def _resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        height, width = self._resize.get_preprocess_shape(*size, self._resize.target_length)
        return height, width


@dataclass(frozen=True)
class _Part:
    """What is encoded to outline one target."""

    key: Key
    pixels: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    """The target in it."""

    @classmethod
    def of(cls, request: Request, zoom: float) -> "_Part":
        if not isinstance(request.action, Segment) or len(request.marks) != 1:
            raise TypeError(f"the segmenter needs one target to segment, got {request.action!r}")
        height, width = request.pixels.shape[:2]
        x0, y0, x1, y1 = request.marks[0].box.xyxy
        left, top, right, bottom = window = window_of((x0, y0, x1, y1), width, height, zoom)
        pixels = request.pixels[top:bottom, left:right]
        return cls((request.image, window), pixels, (x0 - left, y0 - top, x1 - left, y1 - top))

    def placed(self, mask: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
        """A mask of the part as one of the whole image of this height and width."""
        left, top, right, bottom = self.key[1]
        if mask.shape == size:
            return mask
        whole = np.zeros(size, dtype=bool)
        whole[top:bottom, left:right] = mask
        return whole


def _measured(mask: NDArray[np.bool_], mark: Mark, image: str) -> Segmented:
    x0, y0, x1, y1 = tight = _extent(mask)
    inside = mask[y0:y1, x0:x1]
    columns, rows = inside.sum(axis=0), inside.sum(axis=1)
    area = int(rows.sum())
    x = x0 + 0.5 + float(columns @ np.arange(x1 - x0)) / area
    y = y0 + 0.5 + float(rows @ np.arange(y1 - y0)) / area
    return Segmented(
        index=mark.index,
        label=mark.label,
        box=Box(image=image, xyxy=tight),
        area=area,
        share=area / mask.size,
        centroid=(x, y),
    )


def _crop(mask: NDArray[np.bool_], request: Request) -> Picture:
    """The object alone: everything outside the mask is grey."""
    left, top, right, bottom = _extent(mask)
    height, width = mask.shape
    y0, y1 = max(0, top - MARGIN), min(height, bottom + MARGIN)
    x0, x1 = max(0, left - MARGIN), min(width, right + MARGIN)
    inside = mask[y0:y1, x0:x1, None]
    shown = np.where(inside, request.pixels[y0:y1, x0:x1], np.uint8(GREY))
    source = Box(image=request.image, xyxy=(x0, y0, x1, y1))
    return Picture("mask", shown, source)


def _extent(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is set, right and bottom outside.

    Listing the pixels instead takes ten times as long as outlining them on a large image.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
