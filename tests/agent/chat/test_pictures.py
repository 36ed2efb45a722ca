"""Pictures that no processor refuses."""

import numpy as np
import pytest

from foveal.agent.chat.pictures import picture


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (640, 480, (640, 480)),
        (32, 32, (32, 32)),
        (1, 1, (32, 32)),
        (100, 3, (100, 32)),
        (2000, 10, (2000, 32)),
        (2048, 2048, (2048, 2048)),
        (4000, 3000, (2048, 1536)),
        (9, 4001, (32, 2048)),
        (100_000, 1, (2048, 32)),
    ],
)
def test_large_ones_are_scaled_down_and_small_or_narrow_ones_enlarged(
    width: int, height: int, size: tuple[int, int]
) -> None:
    assert picture(np.zeros((height, width, 3), np.uint8)).size == size


def test_what_fits_is_shown_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    assert (np.asarray(picture(noise)) == noise).all()
    assert (np.asarray(picture(noise[:, ::2][:, :25])).shape) == (40, 32, 3), "of any layout"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 6401)])
@pytest.mark.parametrize(
    "family",
    ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "internvl", "llava_onevision", "smolvlm", "llava"],
)
def test_every_processor_takes_them(chat: object, family: str, size: tuple[int, int]) -> None:
    from foveal.agent.chat.prompt import Addition

    model = chat(family)  # type: ignore[operator]
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    prompt = model.render([{"role": "user", "content": [{"type": "image"}]}])
    made = model.process(Addition(prompt, (pixels,), begins=True))
    assert (made["input_ids"] == model.network.image).sum() > 0
