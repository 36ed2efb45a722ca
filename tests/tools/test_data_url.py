"""Images that came inside a text."""

import io
from base64 import b64encode
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.tools.data_url import decoded
from foveal.tools.images import load_image


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 0, 0)).save(file, "png")
    return file.getvalue()


def test_pixels_of_a_data_url(png: bytes) -> None:
    text = b64encode(png).decode()
    expected = np.full((2, 3, 3), (200, 0, 0), np.uint8)
    for url in (
        f"data:image/png;base64,{text}",
        f"DATA:image/png;charset=x;BASE64,{text}",
        f"data:image/png;base64,{text[:40]}\n{text[40:]}",
        f"data:image/png;base64,{text.replace('=', '%3D')}",
        f"data:,{quote_from_bytes(png)}",
    ):
        assert (load_image(url) == expected).all()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("data:image/png;base64", "has no comma"),
        ("data:image/png;base64,", "the data URL is empty"),
        ("data:image/png;base64,!!!!", "is not base64"),
        ("data:image/png;base64,aGVsbG8=", "the data URL is not an image"),
    ],
)
def test_a_data_url_without_an_image_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_image(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["data:,123456789", "data:;base64,MTIzNDU2Nzg5", f"data:,{'%31' * 99}"]
)
def test_the_limit_counts_decoded_bytes(url: str) -> None:
    assert decoded(url, 99)
    with pytest.raises(InputError, match="larger than"):
        decoded(url, 8)
